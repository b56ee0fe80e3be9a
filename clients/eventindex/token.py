"""The access token of a client: where it comes from, and that every call of a channel carries it.

Never sends it where others could read it, and never prints it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from eventindex.errors import AccessError
from eventindex.hosts import is_loopback
from eventindex.stored_text import encoding_of

Metadata = tuple[tuple[str, str], ...]


def find_token(given: str | None = None, file: Path | None = None) -> str:
    """Return the token: `given`, EVENTINDEX_TOKEN, or the content of a file; or "".

    The file is the one that EVENTINDEX_TOKEN_FILE names, else `file`.

    Raises:
        OSError: the file cannot be read.
        AccessError: what is there cannot be a token.
    """
    given = given or os.environ.get("EVENTINDEX_TOKEN") or ""
    return token_of(given, os.environ.get("EVENTINDEX_TOKEN_FILE") or file)


def token_of(given: str, file: str | Path | None) -> str:
    """Return the token: `given`, or the content of a file, or ""; raises the same."""
    token = (given or _from_file(file)).strip("\ufeff \t\r\n")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AccessError("the token has characters that no token has")
    return token


def _from_file(path: str | Path | None) -> str:
    return _decoded(Path(path).read_bytes()) if path else ""


def _decoded(data: bytes) -> str:
    """Return the text of a file of any editor or shell: UTF-8, or UTF-16 as PowerShell writes it.

    Bytes that are none stay visible as characters that no token has.
    """
    encoding, mark = encoding_of(data)
    return data[len(mark) :].decode(encoding, "replace")


def with_token(
    channel: grpc.Channel,
    token: str,
    address: str,
    *,
    encrypted: bool,
    plaintext_allowed: bool | None = None,
) -> grpc.Channel:
    """Return the channel with the token on every call.

    Args:
        channel, token, address: what is called with what, and where it leads.
        encrypted: nobody can read on the way.
        plaintext_allowed: nobody else reaches the network; None: EVENTINDEX_ALLOW_PLAINTEXT.

    Raises:
        AccessError: others could read it on the way.
    """
    brought = metadata_of(token, address, encrypted=encrypted, plaintext_allowed=plaintext_allowed)
    return MetadataChannel(channel, lambda: brought)


def metadata_of(
    token: str, address: str, *, encrypted: bool, plaintext_allowed: bool | None = None
) -> Metadata:
    """Return what a call brings with it for its token, nothing without one.

    Raises:
        AccessError: others could read it on the way.
    """
    if not token:
        return ()
    if plaintext_allowed is None:
        plaintext_allowed = _plaintext_allowed()
    if not (encrypted or is_loopback(address) or plaintext_allowed):
        raise AccessError(
            f"{address}: a token is not sent to another machine without TLS: turn TLS on, or set "
            "EVENTINDEX_ALLOW_PLAINTEXT=true on a network that nobody else reaches"
        )
    return (("authorization", f"Bearer {token}"),)


def _plaintext_allowed() -> bool:
    return os.environ.get("EVENTINDEX_ALLOW_PLAINTEXT", "").lower() in {"1", "true", "yes", "on"}


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
        return self._bound(self._channel.unary_unary(*method, **codecs))

    def unary_stream(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return self._bound(self._channel.unary_stream(*method, **codecs))

    def stream_unary(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return self._bound(self._channel.stream_unary(*method, **codecs))

    def stream_stream(self, *method: Any, **codecs: Any) -> Any:
        """Do the same."""
        return self._bound(self._channel.stream_stream(*method, **codecs))

    def _bound(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *request, **options: call(*request, metadata=self._metadata(), **options)

    def subscribe(self, callback: Callable[..., None], try_to_connect: bool = False) -> None:
        """Follow the state of the connection."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., None]) -> None:
        """Stop following it."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
