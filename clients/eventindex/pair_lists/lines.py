"""Lines of text as pairs: "run event", "run,event", "run:event" or "run/event", or columns that
are named by a header or by hand. A line of JSON is read by the names of its fields.

Pure. Regular text is read as a whole, the rest line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np

from eventindex.limits import NUMBER_MAX
from eventindex.pair_lists import columns as pair_columns
from eventindex.pair_lists.columns import Columns
from eventindex.pair_lists.json_rows import read_objects
from eventindex.pair_lists.plain_tables import read_plain
from eventindex.pairs import Pairs
from eventindex.printing import printable
from eventindex.stored_text import SEPARATOR_LINE

LINE_BYTES_MAX = 64 * 1024
_SHOWN_CHARACTERS = 60

_PLAIN = Columns()
_NO_PAIR = ("not a run and an event number", "pair")
# Possessive quantifiers do not backtrack over text that does not match. 18 digits fit 63 bits.
_BETWEEN = rb"(?:[ \t]++|[ \t]*+[,:/][ \t]*+)"
_LINE = re.compile(r"\s*([0-9]+)(?:\s+|\s*[,:/]\s*)([0-9]+)\s*", re.ASCII)
_DIGITS = re.compile(r"[0-9]+")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_SEPARATORS = bytes.maketrans(b",:/;", b"    ")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no pair: its number from 1, what it says and what is wrong with it.

    `field` is "run_number" or "event_number" where one of them alone is wrong, "columns" where the
    line has more numbers than two and nothing says which are meant, else "pair". `unit` is "row"
    for a row of a table.
    """

    number: int
    text: str
    reason: str
    field: str = "pair"
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.unit} {self.number}: {self.reason}: {self.text}"


@dataclass(frozen=True, slots=True)
class PairBlock:
    """The pairs of some consecutive lines, and the lines among them that are none."""

    pairs: Pairs
    bad_lines: list[BadLine] = field(default_factory=list)


class LineReader:
    """Reads blocks of whole lines in turn; knows the line it is at and what the header said."""

    def __init__(
        self, columns: Columns | None = None, *, line: int = 1, header_allowed: bool = True
    ) -> None:
        self._columns = columns or _PLAIN
        self._line = line
        self._header_allowed = header_allowed
        self._json = False

    def read(self, text: bytes) -> PairBlock:
        """Return the pairs of the next lines; all of them end, but perhaps the last of the list."""
        text = self._below_header(text)
        if self._json and text and (rows := read_objects(text, LINE_BYTES_MAX)):
            self._line += _line_ends(text)
            return PairBlock(rows)
        if not self._json and (plain := read_plain(text, self._columns)):
            self._line += _line_ends(text)
            return PairBlock(plain)
        if not self._json and _regular(self._columns).fullmatch(text):
            return self._read_whole(text)
        if self._columns.delimiter and not self._columns.of_two:
            picked = _picked(text, self._columns)
            if picked is not None:
                self._line += _line_ends(text)
                return PairBlock(picked)
        found: list[tuple[int, int]] = []
        bad: list[BadLine] = []
        for line in text.splitlines():
            if self._says_something(line):
                self._read_line(line, found, bad)
            self._line += 1
        table = np.array(found, np.int64).reshape(-1, 2)
        return PairBlock(Pairs(table[:, 0], table[:, 1]), bad)

    def _below_header(self, text: bytes) -> bytes:
        """Return what follows the header, and what may stand above one; takes what they say."""
        at = 0
        while self._header_allowed and (end := _LINE_END.search(text, at)):
            if self._says_something(text[at : end.start()]):
                break
            self._line, at = self._line + 1, end.end()
        return text[at:]

    def _read_whole(self, text: bytes) -> PairBlock:
        columns = self._columns
        # NumPy reads blank text as one zero.
        digits = b"" if text.isspace() else text.translate(_SEPARATORS)
        numbers = np.fromstring(digits, dtype=np.int64, sep=" ")
        self._line += _line_ends(text)
        runs = numbers[columns.run :: columns.width]
        return PairBlock(Pairs(runs, numbers[columns.event :: columns.width]))

    def _says_something(self, line: bytes) -> bool:
        """Return whether a line is for `_read_line`: not blank, no comment, no header."""
        content = line.partition(b"#")[0]
        if not content.strip():
            return False
        if not self._header_allowed:
            return not (self._json and content.strip() in {b"]", b"["})
        header = _text(content[:LINE_BYTES_MAX])
        if SEPARATOR_LINE.fullmatch(header):
            return False
        self._header_allowed = False
        if header.lstrip().startswith(("{", "[{")) or header.strip() == "[":
            self._json = True
            return header.strip() != "["
        return not self._is_header(header)

    def _is_header(self, line: str) -> bool:
        """Return whether the first line is a header; takes what it says."""
        columns = pair_columns.of_header(line)
        if self._columns.by_hand:
            return columns is not None or pair_columns.is_named(line, self._columns)
        self._columns = columns or self._columns
        return columns is not None

    def _read_line(self, line: bytes, found: list[tuple[int, int]], bad: list[BadLine]) -> None:
        content = line.partition(b"#")[0]
        numbers: tuple[str, str] | None = None
        if len(line) <= LINE_BYTES_MAX:
            numbers = _of_json(_text(line)) if self._json else _numbers(_text(line), self._columns)
        if numbers is not None:
            checked = checked_pair(*numbers)
            if isinstance(checked, tuple):
                found.append(checked)
                return
            reason, which = "a number above 2^63-1", checked
        else:
            wide = not self._json and len(line) <= LINE_BYTES_MAX
            reason, which = _trouble(_text(content), self._columns) if wide else _NO_PAIR
        bad.append(BadLine(self._line, shown(content), reason, which))


def parse_block(text: bytes, first_line: int, *, header_allowed: bool | None = None) -> PairBlock:
    """Return the pairs of whole lines; a header may stand on line 1 or below comments.

    Where these were in an earlier block, `header_allowed` says so.
    """
    if header_allowed is None:
        header_allowed = first_line == 1
    return LineReader(line=first_line, header_allowed=header_allowed).read(text)


def checked_pair(run: str, event: str) -> tuple[int, int] | str:
    """Return two numbers of digits, or the name of what is too large: one of them or the pair."""
    fits = [len(digits) <= 1000 and int(digits) <= NUMBER_MAX for digits in (run, event)]
    if all(fits):
        return int(run), int(event)
    if not any(fits):
        return "pair"
    return "event_number" if fits[0] else "run_number"


def shown(line: bytes) -> str:
    """Return the beginning of a line as it may stand in a message."""
    text = line[: 4 * _SHOWN_CHARACTERS].decode(errors="backslashreplace").strip()
    return printable(text[:_SHOWN_CHARACTERS])


@cache
def _regular(columns: Columns) -> re.Pattern[bytes]:
    """Match lines of `width` numbers of up to 18 digits, and blank lines, and nothing else.

    Where the delimiter is known nothing else separates: "1,5;2" may be two numbers.
    """
    between = _BETWEEN
    if columns.delimiter and columns.delimiter not in ":/" and not columns.of_two:
        between = rb" *+" + re.escape(columns.delimiter.encode()) + rb" *+"
    number = rb"[0-9]{1,18}+"
    rest = (between + number) * (columns.width - 1)
    return re.compile(rb"[\r\n]*+(?:[ \t]*+" + number + rest + rb"[ \t]*+[\r\n]++)*+")


@cache
def _wide_line(columns: Columns) -> re.Pattern[bytes]:
    """Return a line of a table without quotes and comments, whose two numbers are groups."""
    assert columns.delimiter  # noqa: S101  # for tables that have one
    delimiter = re.escape(columns.delimiter.encode())
    cells = [rb"[^\"#\r\n" + delimiter + rb"]*+"] * columns.width
    cells[columns.run] = cells[columns.event] = rb" *+([0-9]{1,18}+) *+"
    return re.compile(rb"(?<![^\r\n])" + delimiter.join(cells) + rb"[\r\n]++")


def _picked(text: bytes, columns: Columns) -> Pairs | None:
    """Return the pairs of regular lines of a table; None where one is not regular."""
    digits, count = _wide_line(columns).subn(rb"\1 \2 ", text)
    # A line that did not match keeps its line end.
    if not count or b"\r" in digits or b"\n" in digits:
        return None
    numbers = np.fromstring(digits, dtype=np.int64, sep=" ")
    first = min(columns.run, columns.event)
    return Pairs(numbers[columns.run != first :: 2], numbers[columns.event != first :: 2])


def _line_ends(text: bytes) -> int:
    count = text.count(b"\n")
    return count + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else count


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _numbers(line: str, columns: Columns) -> tuple[str, str] | None:
    """Return the digits of the two numbers of a line; None where they are not there."""
    content = line.partition("#")[0]
    if columns.of_two and (match := _LINE.fullmatch(content)):
        pair = match.groups()
        return (pair[columns.run], pair[columns.event])
    # A cell of a wide table may hold a #.
    texts = (content,) if columns.of_two or content == line else (line, content)
    for text in texts:
        for delimiter in _delimiters(columns):
            picked = columns.pick(pair_columns.split(text, delimiter))
            if picked and all(map(_DIGITS.fullmatch, picked)):
                return picked
    return None


def _delimiters(columns: Columns) -> Sequence[str]:
    if columns.delimiter is not None:
        return (columns.delimiter,)
    if columns.by_hand:
        return pair_columns.DELIMITERS
    # Where a semicolon separates, a comma may be a decimal point: it must be asked for.
    return [delimiter for delimiter in pair_columns.DELIMITERS if delimiter != ";"]


def _trouble(content: str, columns: Columns) -> tuple[str, str]:
    """Return what is wrong with a line that is no pair, and the field to blame."""
    if columns.of_two:
        for delimiter in pair_columns.DELIMITERS:
            cells = pair_columns.split(content, delimiter)
            if len(cells) > 2 and sum(map(bool, map(_DIGITS.fullmatch, cells))) > 1:
                return f"{len(cells)} columns: columns=run,-,event says which two count", "columns"
    elif columns.delimiter is not None:
        count = len(pair_columns.split(content, columns.delimiter))
        if count not in {1, columns.width}:
            return f"{count} columns, where the header has {columns.width}", "pair"
    return _NO_PAIR


@lru_cache(maxsize=64)
def _of_fields(names: tuple[str, ...]) -> Columns | None:
    return pair_columns.of_names(names)


def _of_json(line: str) -> tuple[str, str] | None:
    """Return the digits of the two numbers of a JSON object, by the names of its fields."""
    try:
        record = json.loads(line.strip().removeprefix("[").removesuffix(",").removesuffix("]"))
    except (ValueError, RecursionError):
        return None
    columns = _of_fields(tuple(record)) if isinstance(record, dict) else None
    if columns is None:
        return None
    values = list(record.values())
    pair = (values[columns.run], values[columns.event])
    if any(type(value) is not int or value < 0 for value in pair):
        return None
    return (str(pair[0]), str(pair[1]))
