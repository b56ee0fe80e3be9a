"""What selections and counts give back, as columns and plain values. No I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.collection_names import RAW
from eventindex.errors import ServerError
from eventindex.frames import Picked, to_arrow, to_pandas
from eventindex.pairs import Int64
from eventindex.results import UInt32, UInt64, WithFiles
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire_decode import BatchColumns, from_message


class Events(WithFiles):
    """A batch of n events in ascending (run, event) order; `ingest` takes it as it is.

    Attributes:
        run_numbers, event_numbers: int64, shape (n,).
        file_indexes: uint32, shape (n,): 1 is files[0].
        olt_results: uint64, shape (n,).
        collection: where `ingest` puts them, "raw"; set another name to put them there.
    """

    def __init__(self, batch: event_pb2.EventBatch | BatchColumns) -> None:
        read = from_message(batch) if isinstance(batch, event_pb2.EventBatch) else batch
        super().__init__(read.files)
        self.collection: str = RAW
        count = len(read.event_numbers)
        runs = read.run_numbers
        self.run_numbers: Int64 = np.repeat(runs, count) if len(runs) == 1 else runs
        self.event_numbers: Int64 = read.event_numbers
        self.file_indexes: UInt32 = read.file_indexes
        self.olt_results: UInt64 = (
            read.olt_results if len(read.olt_results) else np.zeros(count, np.uint64)
        )
        columns = (self.run_numbers, self.file_indexes, self.olt_results)
        if any(len(column) != count for column in columns):
            raise ServerError(f"columns of different lengths in a batch of {count} events")

    def __len__(self) -> int:
        return len(self.event_numbers)

    def __repr__(self) -> str:
        return f"<Events: {len(self)} in {len(self.files)} files>"

    def fuids(self) -> npt.NDArray[np.object_]:
        """Return the file id of each event as text, shape (n,)."""
        table = np.empty(len(self.files) + 1, object)
        table[1:] = [file.fuid_raw for file in self.files]
        picked: npt.NDArray[np.object_] = table[self.file_indexes]
        return picked

    def dsids(self) -> Int64:
        """Return the dataset number of each event, int64, shape (n,)."""
        table: Int64 = np.array([-1, *(file.dsid_raw for file in self.files)], np.int64)
        return table[self.file_indexes]

    def to_pandas(self) -> Any:
        """Return a pandas frame.

        Its columns: run_number, event_number, olt_result, dsid_raw, fuid_raw, dataset_state.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        return to_pandas(self._columns())

    def to_arrow(self) -> Any:
        """Return an Arrow table with the same columns; texts are dictionaries.

        Raises:
            ModuleNotFoundError: pyarrow is not installed.
        """
        return to_arrow(self._columns())

    def _columns(self) -> dict[str, npt.NDArray[Any] | Picked]:
        fuids = [file.fuid_raw for file in self.files]
        states = [file.dataset_state.name.lower() for file in self.files]
        return {
            "run_number": self.run_numbers,
            "event_number": self.event_numbers,
            "olt_result": self.olt_results,
            "dsid_raw": self.dsids().astype(np.int32),
            "fuid_raw": Picked(self.file_indexes, fuids),
            "dataset_state": Picked(self.file_indexes, states),
        }


class EventCount(NamedTuple):
    """The number of events of one run, dataset, file, bit or pair of bits; the rest is None.

    The names are those of the criteria, empty where a bit has none.
    """

    events: int
    run_number: int | None = None
    dsid_raw: int | None = None
    fuid_raw: str | None = None
    olt_bit: int | None = None
    other_olt_bit: int | None = None
    olt_name: str = ""
    other_olt_name: str = ""


class EventCounts(NamedTuple):
    """The number of events of a selection, and the parts that were asked for."""

    total: int
    counts: list[EventCount]


def to_counts(message: lookup_pb2.CountEventsResponse) -> EventCounts:
    """Return counts of the wire as values."""
    return EventCounts(message.total, [_to_count(count) for count in message.counts])


def _to_count(message: lookup_pb2.EventCount) -> EventCount:
    return EventCount(
        message.events,
        message.run_number if message.HasField("run_number") else None,
        message.dsid_raw if message.HasField("dsid_raw") else None,
        message.fuid_raw if message.HasField("fuid_raw") else None,
        message.olt_bit if message.HasField("olt_bit") else None,
        message.other_olt_bit if message.HasField("other_olt_bit") else None,
        message.olt_name,
        message.other_olt_name,
    )
