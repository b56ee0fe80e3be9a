"""Answers on their way out: JSON with an ETag, and streams made by threads.

A stream begins once its first block is there, so that trouble before it is a problem document. One
that breaks later is cut, so that no reader takes it for complete.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import anyio
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Send

from event_store.errors import StoreError, StoreUnavailableError
from eventindex.errors import EventIndexError
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form
from rest_gateway.problems import Problem

log = logging.getLogger(__name__)

# The server copies what it sends; of long blocks that takes twice as long.
_PIECE_BYTES = 1024 * 1024

T = TypeVar("T")


def json_answer(request: Request, model: BaseModel) -> Response:
    """Return a document with an ETag; 304 for the one that the caller has."""
    body = model.model_dump_json(by_alias=True).encode()
    # Weak: gzip makes other bytes of the same document.
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    link = getattr(model, "next", None)
    if link:
        headers["Link"] = f'<{link}>; rel="next"'
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body + b"\n", media_type=MEDIA_TYPES[Form.JSON], headers=headers)


def primed(source: Generator[T, None, None]) -> Generator[T, None, None]:
    """Return the same values, having read the first: trouble before it is raised here.

    Call it in a thread; it waits.
    """
    first = list(islice(source, 1))
    return _continued(first, source)


def _continued(first: list[T], source: Generator[T, None, None]) -> Generator[T, None, None]:
    try:
        yield from first
        yield from source
    finally:
        source.close()


def streamed(
    blocks: Generator[bytes, None, None],
    media_type: str,
    *,
    filename: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer of any length.

    Args:
        blocks: made by threads; closed when the caller goes away.
        media_type: its type.
        filename: what a browser saves it as.
        headers: further headers.
    """
    given = {"Cache-Control": "no-store", **(headers or {})}
    if filename:
        given["Content-Disposition"] = f'attachment; filename="{filename}"'
    return Stream(_in_threads(blocks), media_type=media_type, headers=given)


class Stream(StreamingResponse):
    """Ends in the middle when its blocks do: the server then drops the connection."""

    async def stream_response(self, send: Send) -> None:
        """Send the blocks."""
        try:
            await super().stream_response(send)
        except (EventIndexError, StoreUnavailableError, StoreError, Problem) as error:
            log.warning("an answer was cut: %s", error)


async def _in_threads(blocks: Generator[bytes, None, None]) -> AsyncIterator[memoryview]:
    """Yield blocks in pieces; threads make them, one while the one before is sent."""

    def begin() -> asyncio.Task[bytes]:
        return asyncio.ensure_future(anyio.to_thread.run_sync(_next_block, blocks))

    ahead = begin()
    try:
        while block := await asyncio.shield(ahead):
            ahead = begin()
            for at in range(0, len(block), _PIECE_BYTES):
                yield memoryview(block)[at : at + _PIECE_BYTES]
    finally:
        with anyio.CancelScope(shield=True):
            # Nobody is told any more of what went wrong with a block that is not sent.
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()
            await anyio.to_thread.run_sync(blocks.close)


def _next_block(blocks: Iterator[bytes]) -> bytes:
    return next((block for block in blocks if block), b"")


def link_to(request: Request, **parameters: Any) -> str:
    """Return the address of this request with other query parameters, without the host."""
    url = request.url.include_query_params(**parameters)
    return f"{url.path}?{url.query}"
