"""What the readers of event files share: columns by name, blocks of events, refused rows. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from eventindex.cli.event_files.fields import (
    ALL_FIELDS,
    EventRow,
    checked_file_field,
    checked_number,
    checked_uuid,
)
from eventindex.columns import EventColumns
from eventindex.text_rows import FILE_FIELDS
from eventindex.values import RawFile

BLOCK_EVENTS = 10_000

# A row as it came: a line of text, or the named values of a Parquet row.
Row: TypeAlias = str | dict[str, object]


class FileFormatError(ValueError):
    """A file that cannot be read at all, or needs options that are not given."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be stored: its line (row, element) from 1, what is wrong, how it came."""

    line: int
    problem: str
    row: Row
    unit: str = "line"


Report = Callable[[BadRow], None]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands in for columns that a file does not have, and what its columns are called.

    Attributes:
        fuid_raw: one file id for all events.
        fuid_per_run: a file id made from the run number.
        dsid_raw: one dataset for all files.
        run_number: one run for all events.
        names: a field's name in the file, where it is another. Columns that are no fields are an
            error when this is empty, and are passed over when it is not.
        ignore_extra: they are passed over all the same.
        delimiter: what separates the columns of CSV; None is what fits the header.
        not_used: fields that are given here and that a file was found to have itself.
    """

    fuid_raw: str | None = None
    fuid_per_run: bool = False
    dsid_raw: int | None = None
    run_number: int | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    ignore_extra: bool = False
    delimiter: str | None = None
    not_used: set[str] = field(default_factory=set, compare=False)

    @property
    def passes_over(self) -> bool:
        """Return whether columns that are no fields are passed over."""
        return self.ignore_extra or bool(self.names)

    def fuid(self, run_number: int) -> str:
        """Return the file id of an event that brings none."""
        if self.fuid_raw is not None:
            return self.fuid_raw
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"eventindex:load/{run_number}"))

    def has(self, name: str) -> bool:
        """Return whether a field need not be there."""
        given = {
            "olt_result": True,
            **dict.fromkeys(FILE_FIELDS, True),
            "fuid_raw": self.fuid_raw is not None or self.fuid_per_run,
            "dsid_raw": self.dsid_raw is not None,
            "run_number": self.run_number is not None,
        }
        return given.get(name, False)

    def name(self, of_field: str) -> str:
        """Return what a field is called in the file."""
        return self.names.get(of_field, of_field)


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Events of a file, the line that each stood on, and the row itself by its index.

    What is no text has rows or elements instead of lines; `unit` says which.
    """

    columns: EventColumns
    lines: Sequence[int] | npt.NDArray[np.int64]
    row: Callable[[int], Row]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Telescope records of a file as they stand there, and the line of each."""

    records: list[bytes]
    lines: list[int]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.records)

    def row(self, index: int) -> Row:
        """Return a record as text."""
        return self.records[index].decode(errors="backslashreplace")


_OPTIONS = {
    "fuid_raw": "--fuid or --fuid-per-run",
    "dsid_raw": "--dsid",
    "run_number": "--run",
}


def places(header: Sequence[str], defaults: Defaults) -> dict[str, int]:
    """Return where each field of an event stands among the columns of a file, in any case.

    Raises:
        FileFormatError: the header has an unknown or repeated name, or one is missing that no
            option stands in for.
    """
    wanted = {defaults.name(name): name for name in ALL_FIELDS}
    folded = {column.casefold(): name for column, name in wanted.items()}
    found: dict[str, int] = {}
    for place, column in enumerate(header):
        name = wanted.get(column)
        if name is None and (other := folded.get(column.strip().casefold())):
            # --columns names one column exactly; similar names are ignored.
            there = defaults.names and defaults.name(other) in header
            name = None if there else other
        if name in found:
            raise FileFormatError(f"column {column!r} is there twice")
        if name is not None:
            found[name] = place
        elif not defaults.passes_over:
            raise FileFormatError(
                f"unknown column {column!r} (known: {', '.join(ALL_FIELDS)}); "
                "--ignore-extra passes over others"
            )
    for name in ALL_FIELDS:
        if name in found or (defaults.has(name) and name not in defaults.names):
            continue
        hint = f"; give {_OPTIONS[name]}" if name in _OPTIONS else ""
        raise FileFormatError(f"no column {defaults.name(name)!r}{hint}")
    defaults.not_used.update(name for name in _OPTIONS if name in found and defaults.has(name))
    return found


def checked_event(fields: Mapping[str, object], defaults: Defaults) -> EventRow:
    """Return the event of a row with typed values.

    Raises:
        BadFieldError: a value of another type or out of range; names the field and the value.
    """
    run = checked_number("run_number", fields.get("run_number", defaults.run_number))
    if defaults.dsid_raw is not None and "dsid_raw" in fields:
        defaults.not_used.add("dsid_raw")
    return EventRow(
        run,
        checked_number("event_number", fields["event_number"]),
        checked_number("olt_result", fields.get("olt_result", 0)),
        checked_number("dsid_raw", fields.get("dsid_raw", defaults.dsid_raw)),
        checked_uuid(
            "fuid_raw", fields["fuid_raw"] if "fuid_raw" in fields else defaults.fuid(run)
        ),
        *(checked_file_field(name, fields.get(name)) for name in FILE_FIELDS),  # type: ignore[arg-type]
    )


def columns_of(rows: Sequence[EventRow]) -> EventColumns:
    """Return events as columns."""
    files: dict[tuple[str, int, str, int, str], int] = {}
    indexes = [
        files.setdefault(
            (row.fuid_raw, row.dsid_raw, row.file_name, row.file_bytes, row.file_checksum),
            len(files) + 1,
        )
        for row in rows
    ]
    return EventColumns(
        files=[
            RawFile(fuid, dsid, name=name, bytes=size, checksum=checksum)
            for fuid, dsid, name, size, checksum in files
        ],
        run_numbers=np.array([row.run_number for row in rows], np.int64),
        event_numbers=np.array([row.event_number for row in rows], np.int64),
        file_indexes=np.array(indexes, np.uint32),
        olt_results=np.array([row.olt_result for row in rows], np.uint64),
    )
