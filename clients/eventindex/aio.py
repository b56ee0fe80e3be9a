"""Lookups for asynchronous jobs: the same results, errors and retries as those of `Client`.

>>> import eventindex.aio
>>> async def main():
...     async with eventindex.aio.connect("127.0.0.1:50051") as index:
...         return (await index.lookup([(12345, 4917)])).fuids()

A client belongs to the event loop that it is first used in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from eventindex import channel as channels
from eventindex.addresses import Found, locate
from eventindex.aio_stream import AsyncExchange
from eventindex.channel import Tls
from eventindex.collection_names import RAW, chosen_name
from eventindex.errors import from_rpc_error
from eventindex.lookup_messages import (
    LookupCalls,
    Question,
    Request,
    Response,
    encode,
    numbered,
    pairs_max,
    slices,
)
from eventindex.pairs import Pairs, PairsLike, to_pairs
from eventindex.results import LookupResult, join, to_result
from eventindex.stream import StreamLimits
from eventindex.stream_results import StreamResults
from eventindex.token import CallToken, Metadata, Token, TokenSource
from eventindex.token_channel import AsyncCall, is_refused

Batches = Iterable[PairsLike] | AsyncIterable[PairsLike]


class AsyncClient:
    """A connection to the index service; `connect` makes one. Use it as a context manager."""

    def __init__(
        self,
        address: str | None,
        *,
        tls: Tls | None,
        token: Token | None,
        profile: str | None,
        timeout: float,
        retry_seconds_max: float,
    ) -> None:
        self._limits = StreamLimits(answer_seconds_max=timeout, retry_seconds_max=retry_seconds_max)
        self._given = address
        self._given_tls = tls
        self._profile = profile
        self._token = token
        self._closed = False
        self._channel: grpc.aio.Channel | None = None

    async def lookup(
        self,
        pairs: PairsLike,
        *,
        with_olt_result: bool = False,
        collection: str = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        commit_token: str = "",
        timeout: float | None = None,  # noqa: ASYNC109  # as in `Client`; gRPC keeps it
    ) -> LookupResult:
        """Find the RAW files of any number of (run, event) pairs; see `Client.lookup`."""
        columns = to_pairs(pairs)
        collection = chosen_name(collection, detector)
        if len(columns.runs) > pairs_max(with_file_names):
            parts = self.lookup_stream(
                slices(columns, pairs_max(with_file_names)),
                with_olt_result=with_olt_result,
                collection=collection,
                with_file_names=with_file_names,
                commit_token=commit_token,
                timeout=timeout,
            )
            return join(columns, [part async for part in parts])
        seconds = self._limits.answer_seconds_max if timeout is None else timeout
        retry = channels.retrying_async(min(self._limits.retry_seconds_max, seconds))
        question = Question(with_olt_result, collection, with_file_names, commit_token=commit_token)
        request = encode(1, columns, question)
        response: Response = await retry(
            partial(self._attempt, request, time.monotonic() + seconds)
        )
        return to_result(columns, response, with_olt_result=with_olt_result)

    def lookup_stream(
        self,
        batches: Batches,
        *,
        with_olt_result: bool = False,
        collection: str = RAW,
        detector: str | int | None = None,
        with_file_names: bool = False,
        commit_token: str = "",
        batches_in_flight_max: int = 8,
        timeout: float | None = None,
        retry_seconds_max: float | None = None,
    ) -> AsyncGenerator[LookupResult, None]:
        """Look up batches of pairs, one result a batch, in order; see `Client.lookup_stream`.

            Args:
                batches: an asynchronous iterable, or a plain one, whose batches are then taken in
                    another thread.
                with_olt_result, collection, detector, with_file_names, commit_token,
        batches_in_flight_max,
                timeout, retry_seconds_max: as there.
        """
        collection = chosen_name(collection, detector)
        default = self._limits
        limits = StreamLimits(
            batches_in_flight_max,
            default.answer_seconds_max if timeout is None else timeout,
            default.retry_seconds_max if retry_seconds_max is None else retry_seconds_max,
        )
        question = Question(
            with_olt_result, collection, with_file_names, files_of_stream=True,
            commit_token=commit_token,
        )  # fmt: skip
        return self._stream(_requests(batches, question), question, limits)

    async def close(self) -> None:
        """Close the connection; calls that still run end with an error."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @cached_property
    def _found(self) -> Found:
        return locate("index", self._given, self._profile)

    @property
    def _address(self) -> str:
        return self._found.address

    @cached_property
    def _tls(self) -> channels.Tls | None:
        profile = self._found.profile
        if self._given_tls is not None or profile is None:
            return self._given_tls
        return channels.tls_of_profile(profile)

    @cached_property
    def _call_token(self) -> CallToken:
        profile = self._found.profile
        source = TokenSource(self._token, None if profile is None else profile.token_file)
        return CallToken(source, self._address, encrypted=self._tls is not None)

    @cached_property
    def _calls(self) -> Any:
        if self._closed:
            raise ValueError("the client is closed")
        self._channel = channels.open_async_channel(self._address, self._tls)
        return LookupCalls(self._channel)  # type: ignore[arg-type]  # makes the same calls

    async def _attempt(self, request: Request, deadline: float) -> Response:
        used = self._call_token.metadata()
        try:
            try:
                return await self._answer(request, deadline, used)
            except grpc.RpcError as error:
                newer = self._call_token.newer(used) if is_refused(error) else ()
                if not newer:
                    raise
            return await self._answer(request, deadline, newer)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._address) from error

    async def _answer(self, request: Request, deadline: float, metadata: Metadata) -> Response:
        seconds = max(deadline - time.monotonic(), 0.001)
        response: Response = await self._calls.Lookup(request, timeout=seconds, metadata=metadata)
        return response

    async def _stream(
        self,
        requests: AsyncIterator[tuple[Request, Pairs]],
        question: Question,
        limits: StreamLimits,
    ) -> AsyncGenerator[LookupResult, None]:
        exchange: AsyncExchange[Request, Response, Pairs] = AsyncExchange(
            partial(AsyncCall, self._calls.LookupStream, self._call_token),
            requests,
            limits,
            self._address,
        )
        answers = exchange.answers(StreamResults(question.with_olt_result).result)
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()


def connect(
    address: str | None = None,
    *,
    tls: bool = False,
    tls_ca: str | Path | None = None,
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    tls_server_name: str | None = None,
    token: Token | None = None,
    profile: str | None = None,
    timeout: float = 30.0,
    retry_seconds_max: float = 60.0,
) -> AsyncClient:
    """Return a client; the arguments are those of `eventindex.connect`."""
    return AsyncClient(
        address,
        tls=channels.tls_of(tls, tls_ca, tls_cert, tls_key, tls_server_name),
        token=token,
        profile=profile,
        timeout=timeout,
        retry_seconds_max=retry_seconds_max,
    )


async def _requests(batches: Batches, question: Question) -> AsyncIterator[tuple[Request, Pairs]]:
    number = 0
    async for batch in _each(batches):
        number += 1
        yield numbered(number, batch, question)


async def _each(batches: Batches) -> AsyncIterator[PairsLike]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
        return
    source, end = iter(batches), object()
    while (batch := await asyncio.to_thread(next, source, end)) is not end:
        yield batch
