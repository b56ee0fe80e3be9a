"""Events/s from arrays in memory to committed, and bytes an event, of every system."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.context import Bench, Dataset
from benchmarks.results import Figure


def measure(bench: Bench) -> Iterator[Figure]:
    """Load a run a batch: every system the subset, the fast ones all."""
    yield from _figures(bench.subset, bench.sizes.repeats)
    yield from _figures(bench.whole, bench.sizes.repeats)


def _figures(dataset: Dataset, repeats: int) -> Iterator[Figure]:
    events, runs = dataset.population.events, len(dataset.population.runs)
    for system in dataset.systems:
        # As many samples as repeats, each over its share of the runs.
        parts = [dataset.load_s[system.name][n::repeats] for n in range(repeats)]
        rates = [len(part) * events / runs / sum(part) for part in parts if part]
        yield Figure("store", "load, a run a batch", system.name, "events/s", rates, dataset.label)
        size = dataset.disk[system.name] / events
        yield Figure(
            "store", "size", system.name, "bytes/event", [size], dataset.label, less_is_better=True
        )
