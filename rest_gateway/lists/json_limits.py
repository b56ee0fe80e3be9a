"""Documents of JSON that a parser can read without harm, by their bytes. Pure."""

from __future__ import annotations

import re
from typing import Protocol

from eventindex.told import told
from rest_gateway.problems import invalid

_STRING_BYTES_MAX = 64 * 1024
_IN_STRING = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)

# Python converts up to 4,300 digits. Digits as 0, all else as a space.
_LONG_NUMBER = b"0" * 1000
_DIGITS = bytes(
    ord("0") if chr(byte).isascii() and chr(byte).isdigit() else 32 for byte in range(256)
)


class Pieces(Protocol):
    """What a parser reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many of the next bytes, none at the end."""
        ...


class _ShortStrings:
    """Refuses strings that are no name of a field: the parser holds one whole, twice."""

    def __init__(self) -> None:
        self._length: int | None = None
        self._escaped = False

    def look_at(self, piece: bytes) -> None:
        """Look at the next bytes of a document.

        Raises:
            Problem: 400, a string is too long.
        """
        at = 0
        while at < len(piece):
            if self._length is None:
                at = piece.find(b'"', at) + 1
                if not at:
                    return
                self._length, self._escaped = 0, False
                continue
            match = _IN_STRING.match(piece, at + self._escaped)
            assert match is not None  # noqa: S101  # it matches nothing as well
            self._length += match.end() - at
            self._escaped, at = match.end() == len(piece) - 1 and piece[-1:] == b"\\", match.end()
            if self._length > _STRING_BYTES_MAX:
                raise invalid(
                    told(
                        "STRING_TOO_LONG",
                        "there is a string of {limit} bytes or more",
                        limit=f"{_STRING_BYTES_MAX:,}",
                    )
                )
            if self._escaped:
                return
            if at < len(piece):
                self._length, at = None, at + 1


class ShortNumbers:
    """A stream that refuses numbers which Python does not convert: the parser dies of them."""

    def __init__(self, stream: Pieces) -> None:
        self._stream = stream
        self._tail = b""
        self._strings = _ShortStrings()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            Problem: 400, too many digits in a row, or a string that is too long.
        """
        piece = self._stream.read(size)
        self._strings.look_at(piece)
        text = self._tail + piece.translate(_DIGITS)
        if _LONG_NUMBER in text:
            raise invalid(
                told(
                    "NUMBER_OF_MANY_DIGITS",
                    "there is a number of {digits} digits or more",
                    digits=f"{len(_LONG_NUMBER):,}",
                ),
                field="pairs",
            )
        self._tail = text[-len(_LONG_NUMBER) :]
        return piece
