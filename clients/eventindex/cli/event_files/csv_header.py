"""The first lines of a CSV file: its delimiter and its columns. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eventindex.cli.event_files.rows import Defaults, FileFormatError, places
from eventindex.stored_text import SEPARATOR_LINE

EMPTY = "the file is empty"
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class CsvShape:
    """The columns of a CSV file.

    Attributes:
        places: the place of each field, see `event_rows.places`.
        width: how many columns there are.
        delimiter: what separates them.
        lines: how many lines the header took.
    """

    places: dict[str, int]
    width: int
    delimiter: str = ","
    lines: int = 1


def read_shape(lines: Iterator[str], defaults: Defaults) -> CsvShape:
    """Take the header from the lines of a file.

    Raises:
        FileFormatError: the file is empty, or the header has an unknown or repeated name, or one
            is missing that no option stands in for.
    """
    first = next(lines, None)
    if first is None:
        raise FileFormatError(EMPTY)
    said = SEPARATOR_LINE.fullmatch(first)
    if said:
        first = next(lines, None)
        if first is None:
            raise FileFormatError("the file has no header below its first line")
    before = 2 if said else 1
    delimiters = (said[1],) if said else _DELIMITERS
    if defaults.delimiter is not None:
        delimiters = (defaults.delimiter,)
    refusals: list[tuple[int, FileFormatError]] = []
    for mark in delimiters:
        try:
            header = _columns(first, mark, before)
            return CsvShape(places(header, defaults), len(header), mark, before)
        except FileFormatError as error:
            refusals.append((first.count(mark), error))
    # Report the error of the delimiter that occurs most often: it is the one that was meant.
    count, refusal = max(refusals, key=lambda each: each[0])
    if not count and defaults.delimiter is None:
        raise FileFormatError(f"{refusal}; --delimiter says what separates columns") from refusal
    raise refusal


def _columns(text: str, delimiter: str, line: int) -> Sequence[str]:
    try:
        header = next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise FileFormatError(f"line {line}: {error}") from error
    return [name.strip() for name in header]
