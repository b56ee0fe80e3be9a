"""Lookups by an index service that was just started: every page comes from PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.context import Bench, pairs_per_second
from benchmarks.peers.pages import Lookups
from benchmarks.processes import Stack, index_service
from benchmarks.results import OURS, Figure
from benchmarks.workload import Lookup, Population

CASES = (
    Lookup("one run, 10,000 pairs", 10_000, one_run=True, ascending=True),
    Lookup("random over all pages, 10,000 pairs", 10_000, one_run=False, ascending=False),
)


def measure(bench: Bench) -> Iterator[Figure]:
    """Start the service again for each sample: one batch, no page in the cache."""
    whole = bench.whole
    yield from cold(
        whole.stack, whole.population, whole.label, whole.directory, bench.sizes.repeats
    )


def cold(
    running: Stack, population: Population, label: str, directory: Path, repeats: int
) -> Iterator[Figure]:
    """Measure both cases on the index of a stack."""
    random = np.random.default_rng(5)
    for case in CASES:
        rates = []
        for batch in population.draw(case, repeats, random):
            with index_service(running.database, directory) as service:
                lookups = Lookups(service.index)
                # A run that is not there: the connections are open, the cache is empty.
                lookups.client.lookup([(0, 0)])
                rates.append(pairs_per_second(OURS, case.name, lookups.lookup, [batch]))
                lookups.close()
        yield Figure("cold", case.name, OURS, "pairs/s", rates, label)
