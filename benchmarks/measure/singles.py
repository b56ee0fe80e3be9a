"""Single pairs, one unary call each, 64 callers at once, beside an empty server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks import traffic
from benchmarks.context import Bench
from benchmarks.echo_client import Echo
from benchmarks.machine import cpu_s
from benchmarks.results import OURS, Figure
from benchmarks.workload import Lookup

_CALLERS = 64
_PAIRS = 1_000
_CASE = Lookup("single pairs", 1, one_run=False, ascending=False)
# Latencies need more calls than rates do.
_SAMPLES_LONGER = 10


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure the same calls to the index and the empty server; one caller, then many."""
    dataset = bench.whole
    batches = dataset.population.draw(_CASE, _PAIRS, np.random.default_rng(3))
    seconds = bench.sizes.sample_s * _SAMPLES_LONGER
    with Echo(dataset.stack.index, {_CASE.name: batches}, dataset.directory) as echo:
        systems = {
            OURS: (dataset.stack.index, dataset.stack.pids["index_service"]),
            "empty gRPC echo": (echo.address, echo.pid),
        }
        for callers in (1, _CALLERS):
            taken: dict[str, list[_Sample]] = {name: [] for name in systems}
            for _ in range(bench.sizes.repeats):
                for name, (address, pid) in systems.items():
                    before = cpu_s(pid)
                    found = traffic.unary(address, batches, callers, seconds)
                    spent = (cpu_s(pid) - before) / len(found.latencies)
                    taken[name].append(_Sample(found, spent * 1e6))
            for name, samples in taken.items():
                yield from _figures(callers, name, samples, dataset.label)


class _Sample(NamedTuple):
    traffic: traffic.Traffic
    cpu_us: float


def _figures(callers: int, name: str, samples: list[_Sample], label: str) -> Iterator[Figure]:
    who = "1 caller" if callers == 1 else f"{callers} callers at once"
    rates = [sample.traffic.messages_per_second for sample in samples]
    yield Figure("singles", who, name, "pairs/s", rates, label)
    for percent in (50, 99):
        waits = [sample.traffic.percentile(percent) for sample in samples]
        yield Figure("singles", f"{who}, p{percent}", name, "ms", waits, label, less_is_better=True)
    spent = [sample.cpu_us for sample in samples]
    what = f"{who}, CPU of the server a call"
    yield Figure("singles", what, name, "us", spent, label, less_is_better=True)
