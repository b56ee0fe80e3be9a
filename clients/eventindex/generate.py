"""Pseudo-data: events as a data acquisition writes them, reproducible from a seed.

Runs with gaps in their event numbers; several RAW files open at a time, each event in one of them
at random; online filter bits drawn one by one. Yields blocks of one run, so memory stays flat.
Pure: writes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventindex.columns import EventColumns
from eventindex.limits import DSID_MAX, NUMBER_MAX
from eventindex.values import RawFile

# Part of what a seed means: another block size draws other events.
_BLOCK_EVENT_NUMBERS = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate.

    Attributes:
        runs: number of runs, numbered on from `run_first`.
        events: event numbers of a run, numbered on from `event_first`; gaps leave some out.
        gap_fraction: chance that an event number is left out.
        streams: RAW files that are open at a time.
        events_per_file: a file is closed after so many events and the next one opened.
        trigger_probabilities: chance of each bit of olt_result, lowest first, up to 64.
        dsid_raw: the (first) dataset of the files.
        seed: the same plan with the same seed is the same data.
        datasets: number of datasets, numbered on from `dsid_raw`; the files of a stream are all in
            one.
        file_names: whether the files have names, such as run7/stream0.3.raw.
    """

    runs: int = 10
    run_first: int = 1
    events: int = 1_000
    event_first: int = 1
    gap_fraction: float = 0.1
    streams: int = 2
    events_per_file: int = 5_000
    trigger_probabilities: tuple[float, ...] = (0.3, 0.2, 0.1, 0.05)
    dsid_raw: int = 1
    seed: int = 1
    datasets: int = 1
    file_names: bool = False

    def __post_init__(self) -> None:
        for name in ("runs", "run_first", "events", "event_first", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, below 0")
        for name in ("streams", "events_per_file", "datasets"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, below 1")
        if self.datasets > self.streams:
            raise ValueError(f"{self.datasets} datasets need as many streams, not {self.streams}")
        if not 0 <= self.dsid_raw <= DSID_MAX - self.datasets + 1:
            raise ValueError(f"dsid_raw is {self.dsid_raw}, and must stay within 0 to {DSID_MAX}")
        for last in (self.run_first + self.runs - 1, self.event_first + self.events - 1):
            if last > NUMBER_MAX:
                raise ValueError(f"{last} is above {NUMBER_MAX}")
        if len(self.trigger_probabilities) > 64:
            raise ValueError("olt_result has 64 bits")
        for chance in (self.gap_fraction, *self.trigger_probabilities):
            if not 0 <= chance <= 1:
                raise ValueError(f"{chance} is not a probability")


def generate(plan: Plan) -> Iterator[EventColumns]:
    """Yield the events of a plan in ascending (run, event) order, up to 100,000 of a run each.

    The columns are NumPy arrays: run and event numbers int64, file indexes uint32 (1 is
    files[0]), `olt_results` uint64.
    """
    for run in range(plan.run_first, plan.run_first + plan.runs):
        yield from _generate_run(plan, run)


def _generate_run(plan: Plan, run: int) -> Iterator[EventColumns]:
    random = np.random.default_rng([plan.seed, run])
    written = np.zeros(plan.streams, np.int64)
    end = plan.event_first + plan.events
    for start in range(plan.event_first, end, _BLOCK_EVENT_NUMBERS):
        numbers = np.arange(start, min(start + _BLOCK_EVENT_NUMBERS, end), dtype=np.int64)
        numbers = numbers[random.random(len(numbers)) >= plan.gap_fraction]
        streams = random.integers(0, plan.streams, len(numbers))
        file_of_stream = _files_by_stream(streams, written, plan.events_per_file)
        keys = file_of_stream * plan.streams + streams
        distinct, indexes = np.unique(keys, return_inverse=True)
        yield EventColumns(
            files=[_file(plan, run, int(key)) for key in distinct],
            run_numbers=np.full(len(numbers), run, np.int64),
            event_numbers=numbers,
            file_indexes=(indexes + 1).astype(np.uint32),
            olt_results=_olt_results(random, len(numbers), plan.trigger_probabilities),
        )


def _files_by_stream(
    streams: npt.NDArray[np.int64], written: npt.NDArray[np.int64], events_per_file: int
) -> npt.NDArray[np.int64]:
    """Return the index of each event's file within its stream; counts on in `written`."""
    files = np.empty(len(streams), np.int64)
    for stream in range(len(written)):
        places = np.flatnonzero(streams == stream)
        files[places] = (written[stream] + np.arange(len(places))) // events_per_file
        written[stream] += len(places)
    return files


def _file(plan: Plan, run: int, key: int) -> RawFile:
    name = f"eventindex:generate/{plan.seed}/{run}/{key}"
    number, stream = divmod(key, plan.streams)
    return RawFile(
        str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        plan.dsid_raw + stream % plan.datasets,
        name=f"run{run}/stream{stream}.{number}.raw" if plan.file_names else "",
    )


def _olt_results(
    random: np.random.Generator, count: int, probabilities: tuple[float, ...]
) -> npt.NDArray[np.uint64]:
    bits = np.zeros(count, np.uint64)
    for bit, chance in enumerate(probabilities):
        hit = random.random(count, dtype=np.float32) < chance
        bits |= hit.astype(np.uint64) << np.uint64(bit)
    return bits
