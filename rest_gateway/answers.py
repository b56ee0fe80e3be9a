"""Answers on their way out: JSON with an ETag, and streams made by threads.

A stream begins once its first block is there, so that trouble before it is a problem document. One
that breaks later is cut, so that no reader takes it for complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from itertools import chain
from typing import Any

import anyio
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from rest_gateway.negotiate import MEDIA_TYPES, Form


def json_answer(request: Request, model: BaseModel) -> Response:
    """A document with an ETag; 304 for the one that the caller has."""
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
    return Response(body, media_type=MEDIA_TYPES[Form.JSON], headers=headers)


def streamed(
    blocks: Generator[bytes, None, None],
    media_type: str,
    *,
    filename: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer of any length. Call it in a thread: it waits for the first block.

    Args:
        blocks: closed when the caller goes away.
        media_type: its type.
        filename: what a browser saves it as.
        headers: further headers.
    """
    try:
        first = next(blocks, b"")
    except BaseException:
        blocks.close()
        raise
    given = {"Cache-Control": "no-store", **(headers or {})}
    if filename:
        given["Content-Disposition"] = f'attachment; filename="{filename}"'
    return StreamingResponse(
        _in_threads(chain([first], blocks), blocks), media_type=media_type, headers=given
    )


async def _in_threads(
    blocks: Iterator[bytes], source: Generator[bytes, None, None]
) -> AsyncIterator[bytes]:
    """Yield blocks that threads make, one after the other."""
    try:
        while block := await anyio.to_thread.run_sync(_next_block, blocks):
            yield block
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(source.close)


def _next_block(blocks: Iterator[bytes]) -> bytes:
    return next((block for block in blocks if block), b"")


def link_to(request: Request, **parameters: Any) -> str:
    """The address of this request with other query parameters, without the host."""
    url = request.url.include_query_params(**parameters)
    return f"{url.path}?{url.query}"
