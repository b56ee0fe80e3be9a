"""One index that grows: load rate, bytes an event, warm lookups and counts at each size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.context import Bench, pairs_per_second, timed
from benchmarks.machine import resident_bytes
from benchmarks.measure.cache import growth_of_workers, warm
from benchmarks.measure.lookups import draw, in_turn
from benchmarks.peers.pages import Lookups, PageIndex
from benchmarks.processes import Stack, data_directory, stack
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import Lookup, Population, run_batch

CASES = (
    Lookup("one run, 10,000 a batch", 10_000, one_run=True, ascending=True),
    Lookup("random, 10,000 a batch", 10_000, one_run=False, ascending=False),
)

_BOUND_MIN = 4 << 20


class Stage(NamedTuple):
    """What a number of events is called, and what is measured there."""

    case: str
    unit: str
    samples: list[float]


def measure(bench: Bench) -> Iterator[Figure]:
    """Load up to each size into one index and measure there, with the cache as it comes."""
    sizes = bench.sizes.growth_runs
    with data_directory() as directory, stack(directory) as running:
        pages = PageIndex(running.database, running.index)
        population = Population(max(sizes))
        for before, runs in zip((0, *sizes), sizes, strict=False):
            loaded = range(before + 1, runs + 1)
            seconds = load_runs(pages, population, bench.track(loaded, f"growing to {runs} runs"))
            rate = Stage("store, a run a batch", "events/s", [1 / seconds])
            pages.settle()
            for stage in (rate, *_at(bench, pages, running, population)):
                yield Figure(
                    "growth",
                    stage.case,
                    OURS,
                    stage.unit,
                    stage.samples,
                    f"{population.events / 1e6:.1f} million events",
                    less_is_better=stage.unit in {"s", "bytes/event", "MiB"},
                    x=population.events,
                    x_name="events",
                )
        pages.close()
        # A third of what all pages take.
        bound = max(_BOUND_MIN, population.events // 3)
        yield from growth_of_workers(
            running.database,
            directory,
            population.one_a_page(),
            bound,
            f"{population.events / 1e6:.1f} million events",
        )


def load_runs(pages: PageIndex, population: Population, runs: Iterable[int]) -> float:
    """Store runs one after the other; seconds an event, generation left out."""
    seconds, before = 0.0, population.events
    for run in runs:
        batch = run_batch(run)
        seconds += timed(lambda: pages.load(batch))  # noqa: B023  # called at once
        population.add(batch)
    return seconds / (population.events - before)


def _at(bench: Bench, pages: PageIndex, running: Stack, population: Population) -> Iterator[Stage]:
    yield Stage("size", "bytes/event", [pages.bytes() / population.events])
    expected = {bit: n for bit, n in enumerate(population.olt_counts.tolist()) if n}
    if pages.count_bits() != expected:
        raise WrongAnswerError(f"the criteria's counts over {population.events:,} events")
    spent = [timed(pages.count_bits) for _ in range(bench.sizes.repeats)]
    yield Stage("count 12 criteria", "s", spent)
    lookups = Lookups(running.index)
    warm(lookups, population.one_a_page())
    random = np.random.default_rng(8)
    for case in CASES:
        rates = {OURS: lambda batches: pairs_per_second(OURS, "growth", lookups.lookup, batches)}
        drawn = draw(population, case, random)
        samples = in_turn(rates, drawn, bench.sizes.repeats, bench.sizes.sample_s)
        yield Stage(f"warm, {case.name}", "pairs/s", samples[OURS])
    lookups.close()
    memory = resident_bytes(running.pids["index_service"]) / 2**20
    yield Stage("memory of index_service", "MiB", [memory])
