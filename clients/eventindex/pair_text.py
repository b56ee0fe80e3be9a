"""Pairs as people write them: "run event", "run,event", "run:event" or "run/event", one a line.

A header, blank lines and # comments are skipped. Regular text is read as a whole, the rest line
by line. Never holds more than a block of the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from eventindex.pairs import NUMBER_MAX, Pairs

# At least four bytes a line: a block has fewer pairs than a message takes.
_BLOCK_BYTES = 256 * 1024
_LINE_BYTES_MAX = 64 * 1024

# Possessive quantifiers: text that does not match is left at once. Up to 18 digits fit 63 bits.
_REGULAR = re.compile(
    rb"(?:[0-9]{1,18}+(?:[ \t]++|[ \t]*+[,:/][ \t]*+)[0-9]{1,18}+[ \t]*+\r?+\n)*+"
)
_LINE = re.compile(rb"\s*([0-9]+)(?:\s+|\s*[,:/]\s*)([0-9]+)\s*")
_RUN, _EVENT = rb"\"?run(?:_?number)?\"?", rb"\"?event(?:_?number)?\"?"
_BETWEEN = rb"(?:\s+|\s*[,:/]\s*)"
_HEADER = re.compile(rb"\s*" + _RUN + _BETWEEN + _EVENT + rb"\s*", re.IGNORECASE)
_SWAPPED_HEADER = re.compile(rb"\s*" + _EVENT + _BETWEEN + _RUN + rb"\s*", re.IGNORECASE)
_SEPARATORS = bytes.maketrans(b",:/", b"   ")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no pair: its number from 1, what it says and what is wrong with it.

    `field` is "run_number" or "event_number" where one of them alone is wrong, else "pair".
    """

    number: int
    text: str
    reason: str
    field: str = "pair"

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}: {self.text}"


@dataclass(frozen=True, slots=True)
class PairBlock:
    """The pairs of some consecutive lines, and the lines among them that are none."""

    pairs: Pairs
    bad_lines: list[BadLine] = field(default_factory=list)

    def swapped(self) -> PairBlock:
        """The same block where the event number comes first."""
        other = {"run_number": "event_number", "event_number": "run_number", "pair": "pair"}
        bad = [replace(line, field=other[line.field]) for line in self.bad_lines]
        return PairBlock(Pairs(self.pairs.events, self.pairs.runs), bad)


def read_pairs(stream: BinaryIO) -> Iterator[PairBlock]:
    """Yield the pairs of a stream in blocks of up to 100,000, as soon as they can be read.

    A header says which column is which; without one the run comes first.
    """
    first_line, swapped, at_start = 1, False, True
    for text in _blocks(stream):
        if first_line == 1:
            text = text.removeprefix(_BOM)  # noqa: PLW2901  # once, at the start of the file
        content = _first_content(text) if at_start else None
        swapped = swapped or bool(content and _SWAPPED_HEADER.fullmatch(content))
        block = parse_block(text, first_line, header_allowed=at_start)
        at_start = at_start and content is None
        yield block.swapped() if swapped else block
        first_line += text.count(b"\n")


def parse_block(text: bytes, first_line: int, *, header_allowed: bool | None = None) -> PairBlock:
    """Return the pairs of whole lines; a header may stand on line 1 or below comments.

    Where these were in an earlier block, `header_allowed` says so.
    """
    if _REGULAR.fullmatch(text):
        numbers = np.fromstring(text.translate(_SEPARATORS), dtype=np.int64, sep=" ")
        return PairBlock(Pairs(numbers[::2], numbers[1::2]))
    found: list[tuple[int, int]] = []
    bad: list[BadLine] = []
    if header_allowed is None:
        header_allowed = first_line == 1
    for number, line in enumerate(text.splitlines(), first_line):
        content = line.partition(b"#")[0]
        if not content.strip():
            continue
        if not (header_allowed and _is_header(content)):
            _parse_line(number, content, found, bad)
        header_allowed = False
    table = np.array(found, np.int64).reshape(-1, 2)
    return PairBlock(Pairs(table[:, 0], table[:, 1]), bad)


def _is_header(content: bytes) -> bool:
    return bool(_HEADER.fullmatch(content) or _SWAPPED_HEADER.fullmatch(content))


def _first_content(text: bytes) -> bytes | None:
    """What the first line says that says something; None where all are blank or comments."""
    contents = (line.partition(b"#")[0] for line in text.splitlines())
    return next((content for content in contents if content.strip()), None)


def _parse_line(number: int, line: bytes, found: list[tuple[int, int]], bad: list[BadLine]) -> None:
    match = _LINE.fullmatch(line) if len(line) <= _LINE_BYTES_MAX else None
    reason, which = "not a run and an event number", "pair"
    if match:
        fits = [len(digits) <= 1000 and int(digits) <= NUMBER_MAX for digits in match.groups()]
        if all(fits):
            found.append((int(match[1]), int(match[2])))
            return
        reason = "a number above 2^63-1"
        if any(fits):
            which = "event_number" if fits[0] else "run_number"
    text = line.strip()[:60].decode(errors="backslashreplace")
    bad.append(BadLine(number, text if text.isprintable() else ascii(text)[1:-1], reason, which))


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines as they come; a slow pipe need not fill a block."""
    rest = b""
    # Every binary file of Python has it, though BinaryIO does not say so.
    read_available = getattr(stream, "read1")  # noqa: B009
    while block := read_available(_BLOCK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            # A line without end is no pair; what is kept of it is enough to say so.
            rest = (rest + block)[: 2 * _LINE_BYTES_MAX]
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"
