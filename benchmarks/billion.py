"""`python -m benchmarks.billion`: a billion events through `eventindex load`, and what then holds.

Files of workload W are made one after the other, loaded as a user would, and removed again: besides
the index, some 200 MB of disk are needed. `--runs 22` tries it with ten million events.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from benchmarks import report
from benchmarks.__main__ import RESULTS, write
from benchmarks.context import pairs_per_second, timed
from benchmarks.machine import PeakMemory, describe, resident_bytes
from benchmarks.measure.cache import warm
from benchmarks.measure.cold import cold
from benchmarks.measure.growth import CASES
from benchmarks.measure.load_file import load
from benchmarks.measure.lookups import draw, in_turn
from benchmarks.peers.pages import Lookups, PageIndex
from benchmarks.processes import Stack, data_directory, index_service, stack
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import Population, join, run_blocks, to_store
from eventindex.cli.event_files.parquet_out import ParquetEvents

_RUNS = 2_223
_RUNS_A_FILE = 50
_REPEATS = 5
_SAMPLE_S = 1.0
_SLOTS_A_PAGE = 8192
# A cache for every page, with a tenth to spare.
_CACHE_BYTES_A_SLOT = 1.1


@dataclass
class Billion:
    """An index of `runs` runs, on its way there and measured when it is."""

    runs: int
    directory: Path
    console: Console

    def __post_init__(self) -> None:
        self.population = Population(self.runs)

    def measure(self) -> Iterator[Figure]:
        """Load, restart, and measure."""
        with stack(self.directory) as running:
            yield from self._load(running)
            stopping = time.perf_counter()
        yield self._figure("stop", "s", time.perf_counter() - stopping)
        starting = time.perf_counter()
        with stack(self.directory) as running:
            yield self._figure("start again", "s", time.perf_counter() - starting)
            label, directory = self._label(), self.directory
            for figure in cold(running, self.population, label, directory, _REPEATS):
                yield replace(figure, measurement="billion", case=f"cold, {figure.case}")
            yield from self._counts(running)
            yield from self._warm(running)

    def _load(self, running: Stack) -> Iterator[Figure]:
        """Make and load a file after the other; rates by size, peaks of memory, disk."""
        path, seconds = self.directory / "billion.parquet", 0.0
        memory = PeakMemory({name: pid for name, pid in running.pids.items() if name != "up"})
        with memory.sampling():
            for first in range(1, self.runs + 1, _RUNS_A_FILE):
                before = self.population.events
                self._write(path, range(first, min(first + _RUNS_A_FILE, self.runs + 1)))
                spent = load(path, running, memory)
                seconds += spent
                path.unlink()
                events = self.population.events
                rate = (events - before) / spent
                self.console.print(f"{events:,} events, {rate:,.0f}/s")
                yield replace(
                    self._figure("eventindex load", "events/s", rate),
                    measurement="billion_load",
                    x=events,
                    x_name="events",
                )
        yield self._figure("eventindex load, all files", "s", seconds)
        yield self._figure("eventindex load, all files", "events/s", events / seconds)
        for name, peak in memory.bytes.items():
            yield self._figure(f"peak memory while loading, {name}", "MiB", peak / 2**20)
        pages = PageIndex(running.database, running.index)
        pages.settle()
        yield self._figure("disk", "GB", pages.bytes() / 1e9)
        yield self._figure("disk", "bytes/event", pages.bytes() / events)
        pages.close()

    def _write(self, path: Path, runs: range) -> None:
        with path.open("wb") as stream, ParquetEvents(stream) as writer:
            for run in runs:
                blocks = list(run_blocks(run))
                for block in blocks:
                    writer.write(block)
                self.population.add(join([to_store(block) for block in blocks]))

    def _counts(self, running: Stack) -> Iterator[Figure]:
        pages = PageIndex(running.database, running.index)
        counts = self.population.olt_counts.tolist()
        if pages.count_bits() != {bit: n for bit, n in enumerate(counts) if n}:
            raise WrongAnswerError("the criteria's counts differ from the workload's")
        yield self._figure("count 12 criteria", "s", *(timed(pages.count_bits) for _ in range(3)))
        pages.close()

    def _warm(self, running: Stack) -> Iterator[Figure]:
        """Measure lookups with a cache for all pages, and with the default one."""
        one_a_page = self.population.one_a_page()
        slots = len(one_a_page.runs) * _SLOTS_A_PAGE
        for name, cache_bytes in (
            ("cache for all pages", max(1 << 20, int(slots * _CACHE_BYTES_A_SLOT))),
            ("default cache", None),
        ):
            with index_service(
                running.database, self.directory, cache_bytes_max=cache_bytes
            ) as service:
                lookups = Lookups(service.index)
                seconds = timed(partial(warm, lookups, one_a_page))
                yield self._figure(f"one event of every page, {name}", "s", seconds)
                for figure in self._rates(lookups):
                    yield replace(figure, case=f"{figure.case}, {name}")
                memory = resident_bytes(service.pid) / 2**20
                yield self._figure(f"memory of index_service, {name}", "MiB", memory)
                lookups.close()

    def _rates(self, lookups: Lookups) -> Iterator[Figure]:
        random = np.random.default_rng(9)
        rate = partial(pairs_per_second, OURS, "billion", lookups.lookup)
        for case in CASES:
            drawn = draw(self.population, case, random)
            samples = in_turn({OURS: rate}, drawn, _REPEATS, _SAMPLE_S)
            yield self._figure(case.name, "pairs/s", *samples[OURS])

    def _figure(self, case: str, unit: str, *samples: float) -> Figure:
        less = not unit.endswith("/s")
        return Figure("billion", case, OURS, unit, samples, self._label(), less_is_better=less)

    def _label(self) -> str:
        return f"{self.population.events:,} events"


@click.command()
@click.option("--runs", type=click.IntRange(1), default=_RUNS, show_default=True)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the results (default: one named by the time in benchmarks/results).",
)
def main(runs: int, output: Path | None) -> None:
    """Load runs of 450,000 events through `eventindex load` and measure there."""
    console, machine = Console(), describe()
    figures: list[Figure] = []
    try:
        with data_directory() as directory:
            figures += Billion(runs, directory, console).measure()
    except WrongAnswerError as error:
        console.print(f"wrong answer: {error}", style="bold red")
        sys.exit(1)
    report.show(console, figures)
    directory = output or RESULTS / f"billion-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    write(directory, machine, figures)
    console.print(f"tables, samples and plots: {directory}")


if __name__ == "__main__":
    main()
