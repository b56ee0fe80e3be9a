"""Channels whose calls bring a token, and go on with the next one when it ends.

A call of one answer is made again, once; a stream says that there is a newer token, and whoever
keeps its books opens it again. Never knows where a token comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc

from eventindex.token import CallToken, Metadata


class TokenRenewedError(grpc.RpcError):
    """A stream was refused for its token, and there is a newer one."""

    is_renewed = True

    def __init__(self, refused: grpc.RpcError) -> None:
        super().__init__(refused)
        self._refused = refused

    def code(self) -> grpc.StatusCode:
        """Return the status that the server gave."""
        code: grpc.StatusCode = self._refused.code()
        return code

    def details(self) -> str | None:
        """Return the server's words."""
        details: str | None = self._refused.details()
        return details


class MetadataChannel(grpc.Channel):
    """A channel whose calls bring what a function returns at each.

    gRPC's own call credentials need TLS even on loopback and start a thread for each call; its
    interceptors wrap each answer of a stream.
    """

    def __init__(self, channel: grpc.Channel, metadata: Callable[[], Metadata]) -> None:
        self._channel = channel
        self._metadata = metadata

    def unary_unary(self, *method: Any, **codecs: Any) -> Any:
        """Return a call that brings the metadata."""
        return partial(self._one, self._channel.unary_unary(*method, **codecs))

    def unary_stream(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return partial(self._many, self._channel.unary_stream(*method, **codecs))

    def stream_unary(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return partial(self._one, self._channel.stream_unary(*method, **codecs))

    def stream_stream(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return partial(self._many, self._channel.stream_stream(*method, **codecs))

    def _one(self, call: Callable[..., Any], *request: Any, **options: Any) -> Any:
        return call(*request, metadata=self._metadata(), **options)

    def _many(self, call: Callable[..., Any], *request: Any, **options: Any) -> Any:
        return call(*request, metadata=self._metadata(), **options)

    def subscribe(self, callback: Callable[..., None], try_to_connect: bool = False) -> None:
        """Follow the state of the connection."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., None]) -> None:
        """Stop following it."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class TokenChannel(MetadataChannel):
    """A channel whose calls bring a token, and another one once it is refused."""

    def __init__(self, channel: grpc.Channel, token: CallToken) -> None:
        super().__init__(channel, token.metadata)
        self._token = token

    def _one(self, call: Callable[..., Any], *request: Any, **options: Any) -> Any:
        used = self._metadata()
        try:
            return call(*request, metadata=used, **options)
        except grpc.RpcError as error:
            # A call without a valid token was not begun: nothing is done twice.
            newer = self._token.newer(used) if is_refused(error) else ()
            if not newer:
                raise
        return call(*request, metadata=newer, **options)

    def _many(self, call: Callable[..., Any], *request: Any, **options: Any) -> Any:
        used = self._metadata()
        return _Answers(call(*request, metadata=used, **options), self._token, used)


class _Answers:
    """The answers of a call, which ends with `TokenRenewedError` where a newer token is there."""

    def __init__(self, call: Any, token: CallToken, used: Metadata) -> None:
        self._call = call
        self._token = token
        self._used = used

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise renewed(error, self._token, self._used) from error

    def cancel(self) -> bool:
        """End the call."""
        cancelled: bool = self._call.cancel()
        return cancelled


class AsyncCall:
    """A stream on an event loop that ends in the same way."""

    def __init__(self, open_call: Callable[..., Any], token: CallToken) -> None:
        self._token = token
        self._used = token.metadata()
        self._call = open_call(metadata=self._used)

    async def read(self) -> Any:
        """Return the next answer."""
        try:
            return await self._call.read()
        except grpc.RpcError as error:
            raise renewed(error, self._token, self._used) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def is_refused(error: grpc.RpcError) -> bool:
    """Return whether a call was refused, or ended, for its token."""
    return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)


def renewed(error: grpc.RpcError, token: CallToken, used: Metadata) -> grpc.RpcError:
    """Return how a stream ends: as it did, or that it may go on with a newer token."""
    return TokenRenewedError(error) if is_refused(error) and token.newer(used) else error
