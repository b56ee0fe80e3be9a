"""Events as CSV, JSON lines or Parquet, batch by batch, as `load` reads them again.

Writes to a stream; asks nothing.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Literal, Protocol

from eventindex.cli.common import Failure
from eventindex.cli.strict import FIELDS
from eventindex.selection_results import Events

Form = Literal["csv", "jsonl", "parquet"]

# A row group of Parquet; a batch alone would make small ones.
_ROW_GROUP_EVENTS = 1_000_000


class EventWriter(Protocol):
    """Takes batches of events in order."""

    def write(self, events: Events) -> None:
        """Take one batch."""

    def close(self) -> None:
        """Write what is left."""


class CsvEvents:
    """A header, and one line an event."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        out.write((",".join(FIELDS) + "\n").encode())

    def write(self, events: Events) -> None:
        """Write the lines of a batch."""
        ends = ["", *(f"{file.dsid_raw},{file.fuid_raw}\n" for file in events.files)]
        lines = [f"{r},{e},{olt},{ends[file]}" for r, e, olt, file in _rows(events)]
        self._out.write("".join(lines).encode())

    def close(self) -> None:
        """Nothing is left."""


class JsonLines:
    """An object an event, one a line."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, events: Events) -> None:
        """Write the lines of a batch."""
        ends = [
            "",
            *(
                f'"dsid_raw": {file.dsid_raw}, "fuid_raw": "{file.fuid_raw}"}}\n'
                for file in events.files
            ),
        ]
        lines = [
            f'{{"run_number": {r}, "event_number": {e}, "olt_result": {olt}, {ends[file]}'
            for r, e, olt, file in _rows(events)
        ]
        self._out.write("".join(lines).encode())

    def close(self) -> None:
        """Nothing is left."""


class ParquetEvents:
    """A Parquet file with a row group for each million events."""

    def __init__(self, out: BinaryIO) -> None:
        try:
            import pyarrow  # noqa: PLC0415  # not in the light install
            from pyarrow import parquet  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise Failure("Parquet needs pyarrow: pip install pyarrow") from error
        self._arrow: Any = pyarrow
        self._schema = pyarrow.schema(
            [
                ("run_number", pyarrow.int64()),
                ("event_number", pyarrow.int64()),
                ("olt_result", pyarrow.uint64()),
                ("dsid_raw", pyarrow.int32()),
                ("fuid_raw", pyarrow.string()),
            ]
        )
        self._writer = parquet.ParquetWriter(out, self._schema, compression="zstd")
        self._kept: list[Any] = []
        self._kept_events = 0

    def write(self, events: Events) -> None:
        """Keep a batch until there are enough for a row group."""
        self._kept.append(events.to_arrow())
        self._kept_events += len(events)
        if self._kept_events >= _ROW_GROUP_EVENTS:
            self._write_group()

    def close(self) -> None:
        """Write the last row group and the footer."""
        if self._kept:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        tables = [table.cast(self._schema) for table in self._kept]
        self._writer.write_table(self._arrow.concat_tables(tables))
        self._kept, self._kept_events = [], 0


def make_event_writer(form: Form, out: BinaryIO) -> EventWriter:
    """Return the writer of a format.

    Raises:
        Failure: the format needs a library that is not installed.
    """
    if form == "csv":
        return CsvEvents(out)
    return JsonLines(out) if form == "jsonl" else ParquetEvents(out)


def _rows(events: Events) -> Any:
    return zip(
        events.run_numbers.tolist(),
        events.event_numbers.tolist(),
        events.olt_results.tolist(),
        events.file_indexes.tolist(),
        strict=True,
    )
