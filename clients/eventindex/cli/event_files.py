"""Event files as blocks of columns: CSV with a header, JSON lines, and telescope lines.

Reads a stream once and holds one block. A bad row is reported with its line and left out.
"""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Any, BinaryIO

import numpy as np

from eventindex.cli.strict import (
    FIELDS,
    BadFieldError,
    EventRow,
    checked_number,
    checked_uuid,
    parse_json_object,
    parsed_number,
)
from eventindex.columns import EventColumns
from eventindex.results import RawFile

BLOCK_EVENTS = 10_000

Report = Callable[[int, str], None]


class FileFormatError(ValueError):
    """A file that cannot be read at all, or needs options that are not given."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands in for columns that a file does not have.

    Attributes:
        fuid_raw: one file id for all events.
        fuid_per_run: a file id made from the run number.
        dsid_raw: one dataset for all files.
    """

    fuid_raw: str | None = None
    fuid_per_run: bool = False
    dsid_raw: int | None = None

    def fuid(self, run_number: int) -> str:
        """Return the file id of an event that brings none."""
        if self.fuid_raw is not None:
            return self.fuid_raw
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"eventindex:load/{run_number}"))

    def names(self) -> set[str]:
        """Return the columns that need not be there."""
        names = set()
        if self.fuid_raw is not None or self.fuid_per_run:
            names.add("fuid_raw")
        if self.dsid_raw is not None:
            names.add("dsid_raw")
        return names


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Events of a file and the line that each stood on."""

    columns: EventColumns
    lines: list[int]


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Telescope records of a file as they stand there, and the line of each."""

    records: list[bytes]
    lines: list[int]


def read_csv(stream: BinaryIO, defaults: Defaults, report: Report) -> Iterator[EventBlock]:
    """Yield the events of a CSV file with a header of the contract's field names.

    Raises:
        FileFormatError: the header has an unknown or repeated name, or one is missing that no
            option stands in for.
    """
    # Bytes that are no UTF-8 become text that no field takes, so that the row is reported.
    text = TextIOWrapper(stream, encoding="utf-8-sig", errors="backslashreplace", newline="")
    try:
        rows = csv.reader(text, strict=True)
        header = [name.strip() for name in next(rows, [])]
        _check_header(header, defaults)
        yield from _blocks(_csv_rows(rows, header, defaults, report))
    finally:
        text.detach()


def read_json_lines(stream: BinaryIO, defaults: Defaults, report: Report) -> Iterator[EventBlock]:
    """Yield the events of a file with one JSON object a line."""
    yield from _blocks(_json_rows(stream, defaults, report))


def read_records(stream: BinaryIO) -> Iterator[RecordBlock]:
    """Yield the telescope records of a dump, one a line; blank lines are skipped."""
    records: list[bytes] = []
    lines: list[int] = []
    for number, line in enumerate(stream, 1):
        if record := line.strip():
            records.append(record)
            lines.append(number)
        if len(records) == BLOCK_EVENTS // 10:
            yield RecordBlock(records, lines)
            records, lines = [], []
    if records:
        yield RecordBlock(records, lines)


def _check_header(header: list[str], defaults: Defaults) -> None:
    for name in header:
        if name not in FIELDS:
            raise FileFormatError(f"unknown column {name!r} (known: {', '.join(FIELDS)})")
        if header.count(name) > 1:
            raise FileFormatError(f"column {name!r} is there twice")
    options = {"fuid_raw": "--fuid or --fuid-per-run", "dsid_raw": "--dsid"}
    for name in FIELDS:
        if name == "olt_result" or name in header or name in defaults.names():
            continue
        hint = f"; give {options[name]}" if name in options else ""
        raise FileFormatError(f"no column {name!r}{hint}")


def _csv_rows(
    rows: Any, header: list[str], defaults: Defaults, report: Report
) -> Iterator[tuple[int, EventRow]]:
    while True:
        try:
            row = next(rows, None)
            if row is None:
                return
            if not row:
                continue
            yield rows.line_num, _csv_event(header, row, defaults)
        except (BadFieldError, csv.Error) as error:
            report(rows.line_num, str(error))


def _csv_event(header: list[str], row: list[str], defaults: Defaults) -> EventRow:
    if len(row) != len(header):
        raise BadFieldError("", f"{len(row)} fields, not {len(header)}")
    fields = dict(zip(header, row, strict=True))
    run = parsed_number("run_number", fields["run_number"])
    event = parsed_number("event_number", fields["event_number"])
    olt = parsed_number("olt_result", fields["olt_result"]) if "olt_result" in fields else 0
    if "dsid_raw" in fields:
        dsid = parsed_number("dsid_raw", fields["dsid_raw"])
    else:
        dsid = defaults.dsid_raw or 0
    if "fuid_raw" in fields:
        fuid = checked_uuid("fuid_raw", fields["fuid_raw"].strip())
    else:
        fuid = defaults.fuid(run)
    return EventRow(run, event, olt, dsid, fuid)


def _json_rows(
    stream: Iterable[bytes], defaults: Defaults, report: Report
) -> Iterator[tuple[int, EventRow]]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield number, _json_event(parse_json_object(line), defaults)
        except BadFieldError as error:
            report(number, str(error))


def _json_event(fields: dict[str, object], defaults: Defaults) -> EventRow:
    for name in fields:
        if name not in FIELDS:
            raise BadFieldError(name[:60], "is not a field of an event")
    for name in FIELDS:
        if name not in fields and name not in defaults.names():
            raise BadFieldError(name, "is missing")
    run = checked_number("run_number", fields["run_number"])
    return EventRow(
        run,
        checked_number("event_number", fields["event_number"]),
        checked_number("olt_result", fields["olt_result"]),
        checked_number("dsid_raw", fields.get("dsid_raw", defaults.dsid_raw)),
        checked_uuid(
            "fuid_raw", fields["fuid_raw"] if "fuid_raw" in fields else defaults.fuid(run)
        ),
    )


def _blocks(rows: Iterator[tuple[int, EventRow]]) -> Iterator[EventBlock]:
    kept: list[EventRow] = []
    lines: list[int] = []
    for number, row in rows:
        kept.append(row)
        lines.append(number)
        if len(kept) == BLOCK_EVENTS:
            yield EventBlock(_columns(kept), lines)
            kept, lines = [], []
    if kept:
        yield EventBlock(_columns(kept), lines)


def _columns(rows: list[EventRow]) -> EventColumns:
    files: dict[tuple[str, int], int] = {}
    indexes = [files.setdefault((row.fuid_raw, row.dsid_raw), len(files) + 1) for row in rows]
    return EventColumns(
        files=[RawFile(fuid, dsid) for fuid, dsid in files],
        run_numbers=np.array([row.run_number for row in rows], np.int64),
        event_numbers=np.array([row.event_number for row in rows], np.int64),
        file_indexes=np.array(indexes, np.uint32),
        olt_results=np.array([row.olt_result for row in rows], np.uint64),
    )
