"""Pseudo-data of a derived collection: a part of the events of another one, in files of its own.

Which events are kept follows from the collection, the seed and the event alone, however the input
is cut into blocks. Pure: reads and writes nothing.
"""

from __future__ import annotations

import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from eventindex.columns import EventColumns
from eventindex.limits import DSID_MAX
from eventindex.selection_results import Events
from eventindex.values import RawFile

# Numbers of datasets that follow from names: above those that people give by hand, below those of
# telescopes.
_DSID_FIRST, _DSID_COUNT = 100_000_000, 900_000_000

# Of files, and as the index lists them.
SourceEvents: TypeAlias = EventColumns | Events


@dataclass(frozen=True, slots=True)
class Derivation:
    """What to derive.

    Attributes:
        collection: the name of the derived collection.
        keep: the chance that an event is kept.
        seed: the same input with the same seed is the same data.
        events_per_file: of a run, a file has so many events.
        dsid_raw: the dataset of the files; None: a number that follows from the name.
        file_names: whether the files have names, such as aod.v2/run7.3.root.
    """

    collection: str
    keep: float = 0.1
    seed: int = 1
    events_per_file: int = 5_000
    dsid_raw: int | None = None
    file_names: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1:
            raise ValueError(f"keep is {self.keep}, no probability")
        if self.events_per_file < 1:
            raise ValueError(f"events_per_file is {self.events_per_file}, below 1")
        if self.dsid_raw is not None and not 0 <= self.dsid_raw <= DSID_MAX:
            raise ValueError(f"dsid_raw is {self.dsid_raw}, and must stay within 0 to {DSID_MAX}")

    @property
    def dataset(self) -> int:
        """The number of the dataset."""
        if self.dsid_raw is not None:
            return self.dsid_raw
        return _DSID_FIRST + zlib.crc32(self.collection.encode()) % _DSID_COUNT


def derive(plan: Derivation, blocks: Iterable[SourceEvents]) -> Iterator[EventColumns]:
    """Yield the events of blocks that are kept, in their order, with their `olt_results`."""
    written: dict[int, int] = defaultdict(int)
    for block in blocks:
        count = len(block)
        runs = np.broadcast_to(np.asarray(block.run_numbers, np.int64), count)
        events = np.asarray(block.event_numbers, np.int64)
        places = np.flatnonzero(_chances(plan, runs, events) < plan.keep)
        if len(places):
            yield _kept(plan, block, runs, places, written)


def _kept(
    plan: Derivation,
    block: SourceEvents,
    runs: npt.NDArray[np.int64],
    places: npt.NDArray[np.intp],
    written: dict[int, int],
) -> EventColumns:
    """Return the events at some places of a block; counts on in `written`."""
    files: dict[tuple[int, int], int] = {}
    indexes = []
    for run in runs[places].tolist():
        key = run, written[run] // plan.events_per_file
        written[run] += 1
        indexes.append(files.setdefault(key, len(files) + 1))
    olt = block.olt_results
    return EventColumns(
        files=[_file(plan, *key) for key in files],
        run_numbers=runs[places],
        event_numbers=np.asarray(block.event_numbers, np.int64)[places],
        file_indexes=np.array(indexes, np.uint32),
        olt_results=None if olt is None else np.asarray(olt, np.uint64)[places],
    )


def _file(plan: Derivation, run: int, number: int) -> RawFile:
    name = f"eventindex:derive/{plan.collection}/{plan.seed}/{run}/{number}"
    return RawFile(
        str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        plan.dataset,
        name=f"{plan.collection}/run{run}.{number}.root" if plan.file_names else "",
    )


def _chances(
    plan: Derivation, runs: npt.NDArray[np.int64], events: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return a number from 0 to below 1 for each event, as if drawn."""
    start = zlib.crc32(f"{plan.collection}/{plan.seed}".encode())
    mixed = _mixed(_mixed(runs.astype(np.uint64) ^ np.uint64(start)) ^ events.astype(np.uint64))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the finalizer of splitmix64 of each value (Steele, Lea and Flood, 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
