"""Text files of any editor as UTF-8 with LF: byte-order marks, UTF-16 and UTF-32, CR line ends.

Holds one piece. Knows nothing of what the text means.
"""

from __future__ import annotations

import codecs
from io import BufferedReader, RawIOBase
from typing import Any

from eventindex.stored_text import encoding_of

_PIECE_BYTES = 256 * 1024
_BUFFER_BYTES = 1024 * 1024


def plain_text(stream: Any) -> BufferedReader:
    """Return a stream as UTF-8 text without a mark whose lines end in LF.

    Bytes of UTF-8 that are no text stay as they are; those of UTF-16 become escapes.
    """
    if not hasattr(stream, "peek"):
        stream = BufferedReader(stream)
    head = stream.peek(4)[:4]
    encoding, mark = encoding_of(head)
    stream.read(len(mark))
    return BufferedReader(_PlainText(stream, encoding), _BUFFER_BYTES)


class _PlainText(RawIOBase):
    """The text of a stream in pieces."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder: codecs.IncrementalDecoder | None = None
        if encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(encoding)("backslashreplace")
        self._ready = memoryview(b"")
        self._ends_in_cr = False

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 is the end."""
        while not self._ready:
            piece = self._stream.read1(_PIECE_BYTES)
            self._ready = memoryview(self._lines(piece))
            if not piece and not self._ready:
                return 0
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)

    def _lines(self, piece: bytes) -> bytes:
        """Return a piece as UTF-8 with LF; a CR at its end has been one already."""
        if self._decoder is not None:
            piece = self._decoder.decode(piece, final=not piece).encode(errors="backslashreplace")
        if self._ends_in_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._ends_in_cr = False
        elif piece:
            self._ends_in_cr = False
        if b"\r" in piece:
            self._ends_in_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece
