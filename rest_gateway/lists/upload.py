"""The body of a request as a file that a thread reads while it comes, up to a limit of bytes.

The event loop never waits: a thread asks it for the next piece. A body that nobody reads is not
taken from the network.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import BinaryIO, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from eventindex.told import told
from rest_gateway.lists.negotiate import BodyKind
from rest_gateway.problems import Problem, invalid, short, too_large

# Values of Content-Encoding that are taken; which compression it is, the first bytes tell.
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})
# For FastAPI: what a list may have is a setting, and ByteLimit counts.
LIST_BYTES_MAX = sys.maxsize
# Pieces of a body are handed over together up to so many bytes.
_READ_BYTES = 1024 * 1024
# Half of what proxies usually wait; a body that keeps coming may take any time.
_SILENCE_S_MAX = 30.0


class ByteLimit:
    """Counts the bytes of a body, or those that a compressed one stands for."""

    def __init__(self, bytes_max: int, setting: str, what: str = "the body") -> None:
        self._bytes_max = bytes_max
        self._setting = setting
        self._what = what
        self._count = 0

    def expanded(self) -> ByteLimit:
        """Return the same limit for what is made of a compressed body, counted anew."""
        return ByteLimit(self._bytes_max, self._setting, "the list without its compression")

    def check_length(self, request: Request) -> None:
        """Refuse at once a body that says it is too long.

        Raises:
            Problem: 413.
        """
        length = request.headers.get("content-length", "")
        self.add(int(length) if length.isdecimal() else 0)
        self._count = 0

    def add(self, n_bytes: int) -> None:
        """Count bytes that have come.

        Raises:
            Problem: 413.
        """
        self._count += n_bytes
        if self._count > self._bytes_max:
            raise too_large(self._what, self._bytes_max, "bytes", self._setting)


class BodyReader:
    """What `read_pairs` and the JSON parser need of a file. For one thread that is not the loop's.

    Raises in `read` and `read1`:
        Problem: 413 above the limit, 408 when nothing comes for too long, 400 when the client
            goes away.
    """

    def __init__(self, request: Request, limit: ByteLimit) -> None:
        self._pieces: AsyncIterator[bytes] = request.stream()
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._rest = b""

    def read1(self, size: int = -1) -> bytes:
        """Return up to `size` bytes as soon as there are some; nothing at the end."""
        if not self._rest:
            self._rest = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def read(self, size: int = -1) -> bytes:
        """Return at least one byte of what is left; the JSON parser asks again."""
        return self.read1(size)

    async def _next(self) -> bytes:
        """Return the next pieces as one: nothing is answered before the last of them anyway."""
        pieces, size = [], 0
        try:
            while size < _READ_BYTES:
                async with asyncio.timeout(_SILENCE_S_MAX):
                    piece = await anext(self._pieces, None)
                if piece is None:
                    break
                self._limit.add(len(piece))
                pieces.append(piece)
                size += len(piece)
        except TimeoutError as error:
            raise Problem(
                408,
                "timeout",
                told(
                    "BODY_STOPPED",
                    "nothing came for {limit} s in the middle of the body",
                    limit=f"{_SILENCE_S_MAX:.0f}",
                ),
            ) from error
        except ClientDisconnect as error:
            raise invalid(told("BODY_CUT", "the body ended too early")) from error
        return b"".join(pieces)


async def open_list(request: Request, kind: BodyKind, limit: ByteLimit) -> BinaryIO:
    """Open the list in a request for another thread: the body, or the file in a form.

    Raises:
        Problem: 413 above the limit, 400 for a form without the file.
    """
    limit.check_length(request)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        detail = told(
            "NOT_AN_ENCODING",
            "Content-Encoding is {encoding}: a list is read as it is, gzip or zstd",
            encoding=short(encoding),
        )
        raise Problem(415, "unsupported-media-type", detail)
    if kind is not BodyKind.MULTIPART:
        return cast(BinaryIO, BodyReader(request, limit))
    return await _uploaded_file(request, limit)


async def _uploaded_file(request: Request, limit: ByteLimit) -> BinaryIO:
    """Return the one file of a form; it waits on disk, where it is more than a MiB."""

    async def receive() -> Message:
        message = await request.receive()
        limit.add(len(message.get("body", b"")))
        return message

    try:
        form = await Request(request.scope, receive).form(max_files=1, max_fields=0)
    except (MultiPartException, ClientDisconnect) as error:
        raise invalid(
            told("FORM_UNREADABLE", "the form cannot be read: {problem}", problem=error)
        ) from error
    except Exception as error:
        # Inside an application Starlette raises an HTTPException instead.
        if isinstance(error, Problem) or not hasattr(error, "detail"):
            raise
        raise invalid(
            told("FORM_UNREADABLE", "the form cannot be read: {problem}", problem=error.detail)
        ) from error
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if not files:
        raise invalid(told("FORM_WITHOUT_FILE", "the form has no file"), field="file")
    return files[0].file
