"""Single pairs, one unary call each, 64 callers at once, beside an empty server."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks import traffic
from benchmarks.context import Bench
from benchmarks.echo_client import Echo
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
        addresses = {OURS: dataset.stack.index, "empty gRPC echo": echo.address}
        for callers in (1, _CALLERS):
            taken: dict[str, list[traffic.Traffic]] = {name: [] for name in addresses}
            for _ in range(bench.sizes.repeats):
                for name, address in addresses.items():
                    taken[name].append(traffic.unary(address, batches, callers, seconds))
            for name, samples in taken.items():
                yield from _figures(callers, name, samples, dataset.label)


def _figures(
    callers: int, name: str, samples: list[traffic.Traffic], label: str
) -> Iterator[Figure]:
    who = "1 caller" if callers == 1 else f"{callers} callers at once"
    rates = [sample.messages_per_second for sample in samples]
    yield Figure("singles", who, name, "pairs/s", rates, label)
    for percent in (50, 99):
        waits = [sample.percentile(percent) for sample in samples]
        yield Figure("singles", f"{who}, p{percent}", name, "ms", waits, label, less_is_better=True)
