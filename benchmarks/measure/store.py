"""Events/s from arrays in memory to committed, and bytes an event, of every system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.context import Bench, Dataset
from benchmarks.peers.duckdb_columns import load_with_ids
from benchmarks.results import Figure
from benchmarks.workload import run_batch

_WITH_IDS = "DuckDB, ids as text"


def measure(bench: Bench) -> Iterator[Figure]:
    """Load a run a batch: every system the subset, the fast ones all."""
    yield from _figures(bench.subset, bench.sizes.repeats)
    yield from _figures(bench.whole, bench.sizes.repeats)
    whole = bench.whole
    seconds, size = load_with_ids(
        whole.directory / "ids.duckdb", map(run_batch, whole.population.runs)
    )
    yield from _figures_of(whole, _WITH_IDS, seconds, size, bench.sizes.repeats)


def _figures(dataset: Dataset, repeats: int) -> Iterator[Figure]:
    for system in dataset.systems:
        name = system.name
        yield from _figures_of(dataset, name, dataset.load_s[name], dataset.disk[name], repeats)


def _figures_of(
    dataset: Dataset, system: str, seconds: Sequence[float], size: int, repeats: int
) -> Iterator[Figure]:
    events, runs = dataset.population.events, len(dataset.population.runs)
    # As many samples as repeats, each over its share of the runs.
    parts = [seconds[n::repeats] for n in range(repeats)]
    rates = [len(part) * events / runs / sum(part) for part in parts if part]
    yield Figure("store", "load, a run a batch", system, "events/s", rates, dataset.label)
    per_event = [size / events]
    yield Figure(
        "store", "size", system, "bytes/event", per_event, dataset.label, less_is_better=True
    )
