"""Warm lookups in batches, every system in turn, and the transport's limit beside the project's.

The project answers over gRPC from another process and compares generations for every batch; all
peers but PostgreSQL and Redis answer in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.context import Bench, Dataset, pairs_per_second
from benchmarks.echo_client import Echo
from benchmarks.peers.base import Answer
from benchmarks.results import Figure
from benchmarks.workload import Batch, Lookup, Population

CASES = (
    Lookup("one run, 1,000 a batch", 1_000, one_run=True, ascending=True),
    Lookup("one run, 10,000 a batch", 10_000, one_run=True, ascending=True),
    Lookup("one run, 100,000 a batch", 100_000, one_run=True, ascending=True),
    Lookup("sorted over all runs, 10,000 a batch", 10_000, one_run=False, ascending=True),
    Lookup("random, 1,000 a batch", 1_000, one_run=False, ascending=False),
    Lookup("random, 10,000 a batch", 10_000, one_run=False, ascending=False),
    Lookup("random, 100,000 a batch", 100_000, one_run=False, ascending=False),
)
_BATCHES_MAX = 100
# Enough for the client's pipeline to fill.
_BATCHES_FIRST = 8

_LookUp = Callable[[Sequence[Batch]], list[Answer]]
# Looks batches up and says how long it took, in pairs a second.
Rate = Callable[[Sequence[Batch]], float]


def measure(bench: Bench) -> Iterator[Figure]:
    """Look up in the subset with every system, in all of it with those that hold all."""
    yield from _in(bench, bench.subset, single_selects=True)
    yield from _in(bench, bench.whole, single_selects=False)


def _in(bench: Bench, dataset: Dataset, *, single_selects: bool) -> Iterator[Figure]:
    random = np.random.default_rng(1)
    drawn = {case.name: draw(dataset.population, case, random) for case in CASES}
    systems = [(system.name, system.lookup, system.pairs_max) for system in dataset.systems]
    if single_selects:
        single = bench.single_selects
        systems.append((single.name, single.lookup, single.pairs_max))
    with Echo(dataset.stack.index, drawn, dataset.directory) as echo:
        for case in CASES:
            rates = {
                name: _checked_rate(name, case, lookup)
                for name, lookup, pairs_max in systems
                if case.size <= pairs_max
            }
            rates["empty gRPC echo"] = _echo_rate(echo, case)
            samples = in_turn(rates, drawn[case.name], bench.sizes.repeats, bench.sizes.sample_s)
            for name, values in samples.items():
                yield Figure("lookups", case.name, name, "pairs/s", values, dataset.label)


def _echo_rate(echo: Echo, case: Lookup) -> Rate:
    return lambda batches: echo.pairs_per_second(case.name, len(batches))


def _checked_rate(name: str, case: Lookup, lookup: _LookUp) -> Rate:
    return lambda batches: pairs_per_second(name, case.name, lookup, batches)


def draw(population: Population, case: Lookup, random: np.random.Generator) -> list[Batch]:
    """Draw batches of a case, fewer where they are large."""
    count = int(np.clip(2_000_000 // case.size, _BATCHES_FIRST, _BATCHES_MAX))
    return population.draw(case, count, random)


def in_turn(
    rates: dict[str, Rate], drawn: Sequence[Batch], repeats: int, sample_s: float
) -> dict[str, list[float]]:
    """Measure all systems one after the other, `repeats` times; slow ones take fewer batches."""
    size = len(drawn[0].runs)
    counts = {}
    for name, rate in rates.items():
        # The first batch warms up; after a quick one some more are needed to estimate the rate.
        pace = rate(drawn[:1])
        if size / pace < sample_s:
            pace = rate(drawn[:_BATCHES_FIRST])
        counts[name] = int(np.clip(sample_s * pace / size, 1, len(drawn)))
    samples: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(repeats):
        for name, rate in rates.items():
            samples[name].append(rate(drawn[: counts[name]]))
    return samples
