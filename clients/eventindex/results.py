"""What comes back from the services, as plain values and columns.

Files become Python objects only when somebody looks at them. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from eventindex.errors import ServerError
from eventindex.frames import Picked, to_arrow, to_pandas
from eventindex.lookup_messages import Response, decode
from eventindex.pairs import Int64, Pairs
from eventindex.v1 import event_pb2, ingest_pb2, lookup_pb2
from eventindex.values import Ack, DatasetState, Event, RawFile, Rejection, to_file

__all__ = [
    "Ack",
    "DatasetState",
    "Event",
    "Found",
    "LookupResult",
    "RawFile",
    "Rejection",
    "WithFiles",
    "to_ack",
    "to_event",
]

UInt32: TypeAlias = npt.NDArray[np.uint32]
UInt64: TypeAlias = npt.NDArray[np.uint64]

_STATES = {state: state.name.lower() for state in DatasetState}


class WithFiles:
    """Rows and the RAW files that they point into; can be pickled and copied.

    Attributes:
        file_indexes: uint32, shape (n,): 0 is none, 1 is files[0].
    """

    file_indexes: UInt32

    def __init__(self, files: Sequence[event_pb2.RawFile]) -> None:
        self._files = files

    def __getstate__(self) -> dict[str, Any]:
        # Messages of the wire belong to the process that received them.
        state = dict(self.__dict__, files=self.files)
        state.pop("_files", None)  # of a copy there are none
        return state

    @cached_property
    def files(self) -> list[RawFile]:
        """The distinct RAW files."""
        return [to_file(message) for message in self._files]


class Found(NamedTuple):
    """The answer to one pair: `file` is None where it was not found, `olt_result` unless asked."""

    run_number: int
    event_number: int
    file: RawFile | None
    olt_result: int | None = None


class LookupResult(WithFiles):
    """The answer to a batch of n pairs, in their order: columns, or a `Found` each by iterating.

    Attributes:
        run_numbers, event_numbers: int64, shape (n,), the pairs that were asked for.
        file_indexes: uint32, shape (n,): 0 is not found, 1 is files[0].
        olt_results: uint64, shape (n,), 0 where not found; None unless asked for.
        found, not_found: numbers of pairs.
        other_collections: where nothing was found, the names of collections that hold runs which
            the one that was asked does not hold.
    """

    def __init__(self, pairs: Pairs, response: Response, *, with_olt_result: bool) -> None:
        super().__init__(response.files)
        self.run_numbers, self.event_numbers = pairs
        self.file_indexes: UInt32 = response.file_indexes
        self.olt_results: UInt64 | None = response.olt_results if with_olt_result else None
        self.found = response.found
        self.not_found = response.not_found
        self.other_collections = response.other_collections

    def __len__(self) -> int:
        return len(self.file_indexes)

    def __iter__(self) -> Iterator[Found]:
        files = [None, *self.files]
        columns = [self.run_numbers.tolist(), self.event_numbers.tolist()]
        bits = [] if self.olt_results is None else self.olt_results.tolist()
        for place, index in enumerate(self.file_indexes.tolist()):
            olt = bits[place] if bits and index else None
            yield Found(columns[0][place], columns[1][place], files[index], olt)

    def __repr__(self) -> str:
        others = ", ".join(self.other_collections)
        return (
            f"<LookupResult: {self.found} found in {len(self.files)} files, "
            f"{self.not_found} not found{f'; runs are in {others}' if others else ''}>"
        )

    def fuids(self) -> npt.NDArray[np.object_]:
        """Return the file id of each pair as text, shape (n,); None where not found."""
        return self._per_pair([file.fuid_raw for file in self.files])

    def dsids(self) -> Int64:
        """Return the dataset number of each pair, int64, shape (n,); -1 where not found."""
        dsids: Int64 = np.array([-1, *(file.dsid_raw for file in self.files)], np.int64)
        return dsids[self.file_indexes]

    def by_file(self) -> dict[RawFile, Int64]:
        """Return for each file the positions of its pairs, ascending, int64."""
        order = np.argsort(self.file_indexes, kind="stable").astype(np.int64, copy=False)
        counts = np.bincount(self.file_indexes, minlength=len(self.files) + 1)
        groups = np.split(order, np.cumsum(counts)[:-1])
        return dict(zip(self.files, groups[1:], strict=True))

    def missing(self) -> Int64:
        """Return the positions of the pairs that were not found, ascending, int64."""
        return np.flatnonzero(self.file_indexes == 0)

    def to_pandas(self) -> Any:
        """Return a pandas frame: run_number, event_number, fuid_raw, dsid_raw, dataset_state.

        With `olt_result` where it was asked for, and `file_name` and `file_url` where names were
        and a file has one. The file's columns are missing values where the
        event was not found.

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
        files = self.files
        columns: dict[str, npt.NDArray[Any] | Picked] = {
            "run_number": self.run_numbers,
            "event_number": self.event_numbers,
            "fuid_raw": Picked(self.file_indexes, [file.fuid_raw for file in files]),
            "dsid_raw": Picked(self.file_indexes, [file.dsid_raw for file in files], text=False),
            "dataset_state": Picked(
                self.file_indexes, [_STATES[file.dataset_state] for file in files]
            ),
        }
        if any(file.name or file.url for file in files):
            columns["file_name"] = Picked(self.file_indexes, [file.name for file in files])
            columns["file_url"] = Picked(self.file_indexes, [file.url for file in files])
        if self.olt_results is not None:
            columns["olt_result"] = self.olt_results
        return columns

    def _per_pair(self, values: list[str]) -> npt.NDArray[np.object_]:
        table = np.empty(len(values) + 1, object)
        table[1:] = values
        picked: npt.NDArray[np.object_] = table[self.file_indexes]
        return picked


def join(pairs: Pairs, parts: Sequence[LookupResult]) -> LookupResult:
    """Return one result from those of consecutive slices of the pairs."""
    whole = LookupResult(pairs, decode(b""), with_olt_result=False)
    files: dict[tuple[str, int], RawFile] = {}
    places: dict[tuple[str, int], int] = {}
    columns = []
    for part in parts:
        table = np.zeros(len(part.files) + 1, np.uint32)
        for index, file in enumerate(part.files, 1):
            key = file[:2]
            table[index] = places.setdefault(key, len(places) + 1)
            files[key] = file
        columns.append(table[part.file_indexes])
        whole.found += part.found
        whole.not_found += part.not_found
    whole.file_indexes = np.concatenate(columns)
    olt = [part.olt_results for part in parts if part.olt_results is not None]
    whole.olt_results = np.concatenate(olt) if olt else None
    whole.files = list(files.values())
    if not whole.found:
        others = dict.fromkeys(name for part in parts for name in part.other_collections)
        whole.other_collections = tuple(others)
    return whole


def to_event(message: lookup_pb2.GetEventResponse) -> Event:
    """Return an event of the wire as a value."""
    event = message.event
    file = message.file if message.HasField("file") else event_pb2.RawFile()
    return Event(
        event.run_number,
        event.event_number,
        event.olt_result,
        to_file(file)._replace(fuid_raw=event.fuid_raw, dsid_raw=event.dsid_raw),
    )


def to_ack(message: ingest_pb2.IngestAck) -> Ack:
    """Return an acknowledgement of the wire as a value."""
    rejections = tuple(Rejection(r.index, r.reason) for r in message.rejections)
    return Ack(
        message.inserted,
        message.duplicates,
        message.conflicts,
        message.rejected,
        rejections,
        message.refused_files,
        message.commit_token,
    )


def to_result(pairs: Pairs, response: Response, *, with_olt_result: bool) -> LookupResult:
    """Return the answer to a batch.

    Raises:
        ServerError: not one answer for each pair.
    """
    if len(response.file_indexes) != len(pairs.runs):
        raise ServerError(
            f"{len(response.file_indexes)} answers to {len(pairs.runs)} pairs in a batch"
        )
    return LookupResult(pairs, response, with_olt_result=with_olt_result)
