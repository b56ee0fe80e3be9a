"""Workload W in memory, and the lookups drawn from it. No I/O."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from event_store.model import EventColumns, Int64, RawFile
from eventindex.generate import workload_w


def batches(runs: int) -> list[EventColumns]:
    """Workload W as the store takes it: 100,000 event numbers a batch, 10 % of them gaps."""
    made = []
    for columns in workload_w(runs):
        n = len(columns.event_numbers)
        made.append(
            EventColumns(
                np.broadcast_to(np.asarray(columns.run_numbers, np.int64), n).copy(),
                np.asarray(columns.event_numbers, np.int64),
                np.asarray(columns.olt_results, np.uint64),
                (np.asarray(columns.file_indexes) - 1).astype(np.int32),
                [RawFile(uuid.UUID(file.fuid_raw), file.dsid_raw) for file in columns.files],
                np.zeros(n, np.int32),
                ["benchmark"],
            )
        )
    return made


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
