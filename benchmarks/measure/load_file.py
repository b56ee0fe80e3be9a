"""`eventindex load` of Parquet through gRPC: the whole command, from its start to its end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.context import Bench
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
    """Write files of new runs, load each, and look up a part of it."""
    dataset, runs = bench.whole, bench.sizes.load_runs
    path = dataset.directory / "load.parquet"
    rates = []
    for repeat in range(bench.sizes.repeats):
        first = _RUN_FIRST + repeat * runs
        events = write_parquet(path, first, runs)
        rates.append(events / load(path, dataset.stack, None))
        asked = _some(as_batch(run_batch(first + runs - 1)))
        check(OURS, "eventindex load", dataset.ours.lookup([asked]), [asked])
    yield Figure(
        "load_file", f"eventindex load, Parquet, {runs} runs", OURS, "events/s", rates, "new runs"
    )


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
