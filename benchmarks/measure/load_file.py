"""`eventindex load` of Parquet, from its start to its end, beside what it is made of.

That is gRPC ingest of columns in memory, and the store alone, fed a run a batch.
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import eventindex
from benchmarks.context import Bench, Dataset, timed
from benchmarks.machine import PeakMemory
from benchmarks.peers.base import as_batch, check
from benchmarks.processes import EVENTINDEX, Stack
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import WORKLOAD_W, Batch, run_batch
from eventindex.cli.event_files.parquet_out import ParquetEvents
from eventindex.generate import generate

# Between the runs of workload W and those of the live ingest.
_RUN_FIRST = 500_000
_CHECKED_PAIRS = 10_000


def measure(bench: Bench) -> Iterator[Figure]:
    """Load new runs in each way in turn, and look up a part of the last one."""
    dataset, runs = bench.whole, bench.sizes.load_runs
    ways = {OURS: _load_file, "gRPC ingest": _ingest, "the store alone": _store}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    first = _RUN_FIRST
    for _ in range(bench.sizes.repeats):
        for name, way in ways.items():
            rates[name].append(way(dataset, first, runs))
            asked = _some(as_batch(run_batch(first + runs - 1)))
            check(OURS, name, dataset.ours.lookup([asked]), [asked])
            first += runs
    for name, samples in rates.items():
        case = f"eventindex load, Parquet, {runs} runs"
        yield Figure("load_file", case, name, "events/s", samples, "new runs")


def _load_file(dataset: Dataset, run_first: int, runs: int) -> float:
    path = dataset.directory / "load.parquet"
    events = write_parquet(path, run_first, runs)
    return events / load(path, dataset.stack, None)


def _ingest(dataset: Dataset, run_first: int, runs: int) -> float:
    """Send columns that are in memory before the clock starts."""
    blocks = list(generate(replace(WORKLOAD_W, runs=runs, run_first=run_first)))
    with eventindex.connect(ingest_address=dataset.stack.ingest, timeout=120) as client:
        seconds = timed(lambda: deque(client.ingest(blocks), maxlen=0))
    return sum(map(len, blocks)) / seconds


def _store(dataset: Dataset, run_first: int, runs: int) -> float:
    batches = list(map(run_batch, range(run_first, run_first + runs)))
    return sum(map(len, batches)) / timed(lambda: deque(map(dataset.ours.load, batches), maxlen=0))


def write_parquet(path: Path, run_first: int, runs: int) -> int:
    """Write runs of workload W to a file; the number of events."""
    events = 0
    with path.open("wb") as stream, ParquetEvents(stream) as writer:
        for block in generate(replace(WORKLOAD_W, runs=runs, run_first=run_first)):
            writer.write(block)
            events += len(block)
    return events


def load(path: Path, stack: Stack, memory: PeakMemory | None) -> float:
    """Run `eventindex load`; seconds from its start to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [EVENTINDEX, "load", path, "--address", stack.ingest],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if memory is not None:
        memory.watch("eventindex load", process.pid)
    output, _ = process.communicate()
    if process.returncode:
        raise WrongAnswerError(f"eventindex load ended with {process.returncode}: {output}")
    return time.perf_counter() - began


def _some(batch: Batch) -> Batch:
    step = max(1, len(batch.runs) // _CHECKED_PAIRS)
    return batch.at(np.arange(0, len(batch.runs), step))
