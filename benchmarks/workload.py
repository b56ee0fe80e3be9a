"""Workload W in memory, and the lookups drawn from it. No I/O."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from event_store.model import EventColumns, Int64, RawFile
from eventindex import columns as client
from eventindex.generate import workload_w


def batches(runs: int, *, whole_runs: bool) -> list[EventColumns]:
    """Workload W as the store takes it, 10 % of the event numbers gaps.

    Args:
        runs: how many runs of 500,000 event numbers.
        whole_runs: a batch is a run; otherwise 100,000 event numbers.
    """
    made = [_to_store(columns) for columns in workload_w(runs)]
    if not whole_runs:
        return made
    by_run = itertools.groupby(made, key=lambda batch: int(batch.runs[0]))
    return [_join(list(parts)) for _, parts in by_run]


def _to_store(columns: client.EventColumns) -> EventColumns:
    n = len(columns.event_numbers)
    return EventColumns(
        np.broadcast_to(np.asarray(columns.run_numbers, np.int64), n).copy(),
        np.asarray(columns.event_numbers, np.int64),
        np.asarray(columns.olt_results, np.uint64),
        (np.asarray(columns.file_indexes) - 1).astype(np.int32),
        [RawFile(uuid.UUID(file.fuid_raw), file.dsid_raw) for file in columns.files],
        np.zeros(n, np.int32),
        ["benchmark"],
    )


def _join(parts: list[EventColumns]) -> EventColumns:
    first_file = np.cumsum([0, *(len(part.files) for part in parts)])
    return EventColumns(
        np.concatenate([part.runs for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([part.olt for part in parts]),
        np.concatenate(
            [part.file_index + first for part, first in zip(parts, first_file, strict=False)]
        ).astype(np.int32),
        [file for part in parts for file in part.files],
        np.concatenate([part.source_index for part in parts]),
        parts[0].sources,
    )


@dataclass(frozen=True)
class Lookup:
    """`count` batches of `size` pairs, drawn in one of two ways."""

    name: str
    size: int
    count: int
    one_run: bool

    def draw(
        self, stored: list[EventColumns], random: np.random.Generator
    ) -> Iterator[tuple[Int64, Int64]]:
        """Pairs that are in the index: (runs, events), int64, shape (size,) each."""
        runs, events = _all_pairs(stored)
        if not self.one_run:
            for _ in range(self.count):
                chosen = random.integers(0, len(runs), self.size)
                yield runs[chosen], events[chosen]
            return
        numbers = np.unique(runs)
        for _ in range(self.count):
            run = random.choice(numbers)
            first, last = np.searchsorted(runs, [run, run + 1])
            chosen = np.sort(random.choice(last - first, min(self.size, last - first), False))
            yield runs[first + chosen], events[first + chosen]


def _all_pairs(stored: list[EventColumns]) -> tuple[Int64, Int64]:
    runs: npt.NDArray[np.int64] = np.concatenate([batch.runs for batch in stored])
    return runs, np.concatenate([batch.events for batch in stored])
