"""Event files row by row: CSV with a header, JSON lines, and telescope lines.

Reads a stream once and holds one block. A bad row is reported as it came and left out. Regular CSV
and Parquet have a faster way, in `arrow_csv` and `arrow_events`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import chain
from typing import BinaryIO

from eventindex.cli.event_files.csv_header import CsvShape, read_shape
from eventindex.cli.event_files.fields import (
    ALL_FIELDS,
    FIELDS,
    BadFieldError,
    EventRow,
    checked_uuid,
    parse_json_object,
    parsed_file_field,
    parsed_number,
)
from eventindex.cli.event_files.json_array import elements
from eventindex.cli.event_files.rows import (
    BLOCK_EVENTS,
    BadRow,
    Defaults,
    EventBlock,
    FileFormatError,
    RecordBlock,
    Report,
    checked_event,
    columns_of,
)
from eventindex.cli.event_files.text_input import plain_text
from eventindex.text_rows import FILE_FIELDS

__all__ = [
    "BadRow",
    "Defaults",
    "EventBlock",
    "FileFormatError",
    "check_header",
    "read_csv",
    "read_csv_rows",
    "read_json_lines",
    "read_records",
]

_Numbered = tuple[int, EventRow, str]
# The names of the two numbers in lines of a telescope, which need not be JSON.
_TELESCOPE_NAMES = (b'"RunNumber"', b'"EventNumber"')
_KEY = re.compile(rb'"\w+"\s*:')


class _Tap:
    """Lines on their way to the CSV reader, kept until their row is taken; `line` is the last."""

    def __init__(self, lines: Iterable[str], line_first: int = 1) -> None:
        self._lines = iter(lines)
        self._kept: list[str] = []
        self.line = line_first - 1

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.line += 1
            self._kept.append(line)
            yield line

    def take(self) -> str:
        """Return the text of the row that was just read."""
        text = "".join(self._kept)
        self._kept.clear()
        return text.rstrip("\r\n")


def read_csv(stream: BinaryIO, defaults: Defaults, report: Report) -> Iterator[EventBlock]:
    """Yield the events of a CSV file with a header of the contract's field names.

    Raises:
        FileFormatError: the file is empty, or the header has an unknown or repeated name, or one
            is missing that no option stands in for.
    """
    text = _as_text(stream)
    try:
        tap = _Tap(text)
        shape = read_shape(iter(tap), defaults)
        tap.take()
        yield from _blocks(_csv_rows(tap, shape, defaults, report))
    finally:
        release(text)


def check_header(stream: BinaryIO, defaults: Defaults) -> None:
    """Check the header of a CSV file as `read_csv` does, and read no more."""
    text = _as_text(stream)
    try:
        read_shape(iter(text), defaults)
    finally:
        release(text)


def read_csv_rows(
    stream: BinaryIO, shape: CsvShape, line_first: int, defaults: Defaults, report: Report
) -> Iterator[EventBlock]:
    """Yield the events of CSV rows without their header.

    Args:
        stream: UTF-8 text.
        shape: the columns of the file.
        line_first: the number of the stream's first line in the file.
        defaults, report: as in `read_csv`.
    """
    text = _as_text(stream)
    try:
        yield from _blocks(_csv_rows(_Tap(text, line_first), shape, defaults, report))
    finally:
        release(text)


def read_json_lines(stream: BinaryIO, defaults: Defaults, report: Report) -> Iterator[EventBlock]:
    """Yield the events of a file with one JSON object a line, or one array of objects.

    Raises:
        FileFormatError: the array does not end, or something follows it.
    """
    text = plain_text(stream)
    first = _first_byte(text)
    # Lines of a telescope begin with ["Epoch": …, which is no array.
    if first == b"[" and not _KEY.match(text.peek(64)):
        yield from _blocks(_array_rows(text, defaults, report), unit="element")
    else:
        lines = chain([first + text.readline()], text)
        yield from _blocks(_json_rows(lines, defaults, report))


def _first_byte(text: BinaryIO) -> bytes:
    """Take the first byte that is no blank; blank lines before it are no rows."""
    byte = text.read(1)
    while byte and byte.isspace():
        byte = text.read(1)
    return byte


def read_records(stream: BinaryIO) -> Iterator[RecordBlock]:
    """Yield the telescope records of a dump, one a line; blank lines are skipped."""
    records: list[bytes] = []
    lines: list[int] = []
    for number, line in enumerate(plain_text(stream), 1):
        if record := line.strip():
            records.append(record)
            lines.append(number)
        if len(records) == BLOCK_EVENTS // 10:
            yield RecordBlock(records, lines)
            records, lines = [], []
    if records:
        yield RecordBlock(records, lines)


def release(text: TextIOWrapper) -> None:
    """Leave the stream below open; who was faster and closed it has done no harm."""
    if not text.closed:
        text.detach()


def _as_text(stream: BinaryIO) -> TextIOWrapper:
    # Bytes that are no UTF-8 become text that no field takes, so that the row is reported.
    text = plain_text(stream)
    return TextIOWrapper(text, encoding="utf-8", errors="backslashreplace", newline="")


def _csv_rows(
    tap: _Tap, shape: CsvShape, defaults: Defaults, report: Report
) -> Iterator[_Numbered]:
    rows = csv.reader(tap, delimiter=shape.delimiter, strict=True)
    while True:
        try:
            row = next(rows, None)
            if row is None:
                return
            text = tap.take()
            if row:
                yield tap.line, _csv_event(row, shape, defaults), text
        except BadFieldError as error:
            report(BadRow(tap.line, str(error), text))
        except csv.Error as error:
            report(BadRow(tap.line, str(error), tap.take()))


def _csv_event(row: list[str], shape: CsvShape, defaults: Defaults) -> EventRow:
    if len(row) != shape.width:
        raise BadFieldError("", f"{len(row)} fields, not {shape.width}")
    fields: dict[str, object] = {}
    for name in ALL_FIELDS:
        if name not in shape.places:
            continue
        text = row[shape.places[name]]
        if name == "fuid_raw":
            fields[name] = checked_uuid(name, text.strip())
        elif name in FILE_FIELDS:
            fields[name] = parsed_file_field(name, text)
        else:
            fields[name] = parsed_number(name, text)
    return checked_event(fields, defaults)


def _json_rows(stream: Iterable[bytes], defaults: Defaults, report: Report) -> Iterator[_Numbered]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        text = line.decode(errors="backslashreplace").rstrip("\r\n")
        try:
            yield number, _json_event(parse_json_object(line), defaults), text
        except BadFieldError as error:
            of_telescope = all(name in line for name in _TELESCOPE_NAMES)
            hint = "; telescope events need --format dat" if of_telescope else ""
            report(BadRow(number, f"{error}{hint}", text))


def _array_rows(text: BinaryIO, defaults: Defaults, report: Report) -> Iterator[_Numbered]:
    for number, element in elements(text):
        row = element.decode(errors="backslashreplace")
        try:
            yield number, _json_event(parse_json_object(element), defaults), row
        except BadFieldError as error:
            report(BadRow(number, str(error), row, "element"))


def _json_event(found: dict[str, object], defaults: Defaults) -> EventRow:
    wanted = {defaults.name(name): name for name in ALL_FIELDS}
    fields = {wanted[key]: value for key, value in found.items() if key in wanted}
    if len(fields) < len(found):
        _add_in_other_case(fields, found, wanted)
    if len(fields) < len(found) and not defaults.passes_over:
        unknown = next(key for key in found if key not in wanted)
        raise BadFieldError(
            unknown[:60], "is not a field of an event; --ignore-extra passes over others"
        )
    for name in FIELDS:
        # A CSV file may lack the column olt_result; a JSON object must have it.
        may_lack = defaults.has(name) and name != "olt_result" and name not in defaults.names
        if name not in fields and not may_lack:
            raise BadFieldError(defaults.name(name), "is missing")
    return checked_event(fields, defaults)


def _add_in_other_case(
    fields: dict[str, object], found: dict[str, object], wanted: dict[str, str]
) -> None:
    """Add the fields whose keys are written in another case; one that is there twice is wrong."""
    folded = {key.casefold(): name for key, name in wanted.items()}
    for key, value in found.items():
        name = folded.get(key.casefold())
        if key in wanted or name is None:
            continue
        if name in fields:
            raise BadFieldError(key[:60], "is there twice")
        fields[name] = value


def _blocks(rows: Iterator[_Numbered], unit: str = "line") -> Iterator[EventBlock]:
    kept: list[EventRow] = []
    lines: list[int] = []
    texts: list[str] = []
    for number, row, text in rows:
        kept.append(row)
        lines.append(number)
        texts.append(text)
        if len(kept) == BLOCK_EVENTS:
            yield EventBlock(columns_of(kept), lines, texts.__getitem__, unit)
            kept, lines, texts = [], [], []
    if kept:
        yield EventBlock(columns_of(kept), lines, texts.__getitem__, unit)
