"""The elements of a JSON array, one after the other. Holds one element and one piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from eventindex.cli.event_files.rows import FileFormatError

_PIECE_BYTES = 256 * 1024
ELEMENT_BYTES_MAX = 16 * 1024 * 1024
# A string (group 1 is its closing quote, if it has come), or punctuation outside strings, that
# which opens in one.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)|[\[{]+|[\]},]', re.DOTALL)
# What is left of a string that a piece ended in: none is read twice, however long.
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)


class _Elements:
    """Cuts text at the commas of the outermost array."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._text = b""
        self._scanned = 0
        self._depth = 0
        self._in_string = False
        self.ended = False

    def more(self) -> bool:
        """Read a piece behind what is kept; whether there was one."""
        piece = self._stream.read(_PIECE_BYTES)
        self._text += piece
        return bool(piece)

    def take(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the elements that are whole and whether each is the last; keep the rest."""
        start = 0
        if self._in_string:
            self._end_string()
        for token in _TOKEN.finditer(self._text, self._scanned):
            found = token.group()
            if found.startswith(b'"'):
                self._in_string = not token.group(1)
            elif found.startswith((b"[", b"{")):
                self._depth += len(found)
            elif self._depth:
                self._depth -= found != b","
            else:
                last = found != b","
                yield self._text[start : token.start()].strip(), last
                start = token.end()
                if last:
                    self.ended = True
                    break
            self._scanned = token.end()
        if self.ended:
            self._scanned = start
        elif not self._in_string:
            self._scanned = len(self._text)
        self._text = self._text[start:]
        self._scanned -= start
        if len(self._text) > ELEMENT_BYTES_MAX:
            raise FileFormatError(
                f"an element is longer than {ELEMENT_BYTES_MAX:,} bytes, or its text does not end"
            )

    def _end_string(self) -> None:
        if rest := _STRING_REST.match(self._text, self._scanned):
            self._in_string = not rest.group(1)
            self._scanned = rest.end()

    def rest(self) -> bytes:
        """Return what stands behind the array, up to a piece."""
        while not self._text.strip() and self.more():
            self._text = self._text.strip()
        return self._text.strip()


def elements(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the elements of an array with their numbers from 1, as text that may be no JSON.

    Args:
        stream: stands behind the opening bracket.

    Raises:
        FileFormatError: the array does not end, something follows it, or an element is too long.
    """
    cut = _Elements(stream)
    number = 0
    while not cut.ended:
        if not cut.more():
            raise FileFormatError(
                f"the array does not end: the file is cut behind element {number:,}"
            )
        for element, last in cut.take():
            if element or number or not last:
                number += 1
                yield number, element
    if rest := cut.rest():
        text = rest[:20].decode(errors="replace")
        raise FileFormatError(f"there is more behind the array: {text!r}")
