"""Workload W as the store takes it, and batches of pairs drawn from it with their true answers.

Every run can be made again from its number, so no more than a sample of the index is held. No I/O.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from event_store.model import EventColumns, Int64, RawFile
from eventindex import columns as client
from eventindex.generate import Plan, generate

# The ids of files, 16 bytes each.
Fuids: TypeAlias = npt.NDArray[np.void]
FUID = np.dtype("V16")

# 18 million events.
WORKLOAD_W = Plan(
    runs=40,
    events=500_000,
    event_first=0,
    streams=8,
    trigger_probabilities=(
        *(0.3, 0.2, 0.1, 0.05, 0.05, 0.02),
        *(0.02, 0.01, 0.01, 0.005, 0.002, 0.001),
    ),
)
OLT_BITS = len(WORKLOAD_W.trigger_probabilities)
# Pairs that are drawn over all runs come from a sample of so many events at most.
_SAMPLE_EVENTS_MAX = 20_000_000
_SAMPLE_EVENTS_PER_RUN_MAX = 20_000
# A lookup of one run's pairs goes through so many runs.
_RUNS_DRAWN_MAX = 5


class Batch(NamedTuple):
    """n pairs, int64, shape (n,) each, and the id of the RAW file of each."""

    runs: Int64
    events: Int64
    fuids: Fuids

    def at(self, places: Int64 | slice) -> Batch:
        """Return the pairs at some places."""
        return Batch(self.runs[places], self.events[places], self.fuids[places])


@dataclass(frozen=True)
class Lookup:
    """Batches of `size` pairs: of one run, or over all; in ascending order, or not."""

    name: str
    size: int
    one_run: bool
    ascending: bool


def run_blocks(run: int) -> Iterator[client.EventColumns]:
    """Yield one run of workload W as the client takes it, up to 100,000 events a block."""
    return generate(replace(WORKLOAD_W, runs=1, run_first=run))


def run_batch(run: int) -> EventColumns:
    """Return one run of workload W, 450,000 events, as one batch."""
    return join([to_store(block) for block in run_blocks(run)])


def to_store(columns: client.EventColumns) -> EventColumns:
    """Return a client's batch as the store takes it."""
    events: Int64 = np.asarray(columns.event_numbers, np.int64)
    return EventColumns(
        np.broadcast_to(np.asarray(columns.run_numbers, np.int64), len(events)).copy(),
        events,
        np.asarray(columns.olt_results, np.uint64),
        (np.asarray(columns.file_indexes) - 1).astype(np.int32),
        [RawFile(uuid.UUID(file.fuid_raw), file.dsid_raw) for file in columns.files],
        np.zeros(len(events), np.int32),
        ["benchmark"],
    )


def join(parts: Sequence[EventColumns]) -> EventColumns:
    """Return several batches as one."""
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


def true_fuids(batch: EventColumns) -> Fuids:
    """Return the file id of each event of a batch."""
    files = np.frombuffer(b"".join(file.fuid.bytes for file in batch.files), FUID)
    return files[batch.file_index]


class Population:
    """What an index holds: runs 1 to n of workload W, counted, and a sample of their events."""

    def __init__(self, runs: int) -> None:
        self.events = 0
        self.olt_counts = np.zeros(OLT_BITS, np.int64)
        self.runs: list[int] = []
        self._per_run = min(_SAMPLE_EVENTS_PER_RUN_MAX, _SAMPLE_EVENTS_MAX // runs)
        self._sampled: list[Batch] = []
        self._random = np.random.default_rng(2)

    def add(self, batch: EventColumns) -> None:
        """Take the events of a whole run that the index now holds."""
        self.events += len(batch)
        self.runs.append(int(batch.runs[0]))
        for bit in range(OLT_BITS):
            self.olt_counts[bit] += np.count_nonzero(batch.olt >> np.uint64(bit) & np.uint64(1))
        chosen = self._random.choice(len(batch), min(self._per_run, len(batch)), replace=False)
        chosen.sort()
        self._sampled.append(
            Batch(batch.runs[chosen], batch.events[chosen], true_fuids(batch)[chosen])
        )

    def draw(self, lookup: Lookup, count: int, random: np.random.Generator) -> list[Batch]:
        """Return `count` batches of pairs that are in the index."""
        if lookup.one_run:
            runs = random.choice(self.runs, min(_RUNS_DRAWN_MAX, len(self.runs)), replace=False)
            return [_of_run(int(runs[n % len(runs)]), lookup.size, random) for n in range(count)]
        sample = self.sample()
        drawn = [random.integers(0, len(sample.runs), lookup.size) for _ in range(count)]
        return [sample.at(np.sort(at) if lookup.ascending else at) for at in drawn]

    def sample(self) -> Batch:
        """Return the sampled events of all runs, ascending."""
        if len(self._sampled) > 1:
            runs, events, fuids = zip(*self._sampled, strict=True)
            self._sampled = [
                Batch(np.concatenate(runs), np.concatenate(events), np.concatenate(fuids))
            ]
        return self._sampled[0]

    def one_a_page(self) -> Batch:
        """Return one sampled event of each page, ascending."""
        sample = self.sample()
        pages = np.stack([sample.runs, sample.events >> 13])
        fresh = np.flatnonzero(np.any(pages[:, 1:] != pages[:, :-1], axis=0)) + 1
        return sample.at(np.concatenate([[0], fresh]))


def _of_run(run: int, size: int, random: np.random.Generator) -> Batch:
    """Draw ascending events of a run, none twice."""
    events = _whole_run(run)
    return events.at(np.sort(random.choice(len(events.runs), size, replace=False, shuffle=False)))


@lru_cache(maxsize=2 * _RUNS_DRAWN_MAX)
def _whole_run(run: int) -> Batch:
    batch = run_batch(run)
    return Batch(batch.runs, batch.events, true_fuids(batch))
