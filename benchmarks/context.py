"""What the measurements share: the sizes, and data sets that are loaded when first asked for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from benchmarks.peers.base import Answer, Peer, check
from benchmarks.peers.duckdb_columns import DuckDb
from benchmarks.peers.lmdb_tree import Lmdb
from benchmarks.peers.pages import PageIndex
from benchmarks.peers.postgres_rows import OneSelectAPair, RowTable
from benchmarks.peers.redis_hashes import Redis
from benchmarks.peers.sqlite_rows import Sqlite
from benchmarks.processes import Stack, data_directory, stack
from benchmarks.workload import Batch, Population, run_batch

T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: runs of workload W, 450,000 events each, for the project and DuckDB.
        peer_runs: runs for every peer; the slow ones take a minute for each 40.
        repeats: medians of so many samples.
        sample_s: about how long one sample takes, seconds.
        growth_runs: sizes of an index that grows, runs.
        streams: numbers of streams at once.
        rest_pairs: lengths of lists over HTTP, ascending.
        rest_pairs_many: length of a list over HTTP that memory must not grow with.
        load_runs: runs of a Parquet file for `eventindex load`.
    """

    runs: int = 40
    peer_runs: int = 4
    repeats: int = 5
    sample_s: float = 0.1
    growth_runs: Sequence[int] = (2, 22, 222)
    streams: Sequence[int] = (1, 10, 100, 1000)
    rest_pairs: Sequence[int] = (1_000, 100_000, 1_000_000)
    rest_pairs_many: int = 10_000_000
    load_runs: int = 10


SMALL = Sizes(
    runs=2,
    peer_runs=1,
    repeats=1,
    sample_s=0.02,
    growth_runs=(1, 2),
    streams=(1, 20),
    rest_pairs=(1_000, 20_000),
    rest_pairs_many=100_000,
    load_runs=1,
)


@dataclass
class Dataset:
    """Some runs of workload W in an index and in peers.

    Attributes:
        load_s: seconds of each run's load, by system.
        disk: bytes of each system when all was loaded.
    """

    label: str
    stack: Stack
    directory: Path
    ours: PageIndex
    peers: Sequence[Peer]
    population: Population
    load_s: dict[str, list[float]] = field(default_factory=dict)
    disk: dict[str, int] = field(default_factory=dict)

    @property
    def systems(self) -> list[Peer]:
        """The project and its peers."""
        return [self.ours, *self.peers]


class Bench:
    """Sizes and data sets of one run of the benchmark. Close it at the end."""

    def __init__(self, sizes: Sizes, console: Console) -> None:
        self.sizes = sizes
        self.console = console
        self._open = contextlib.ExitStack()

    @cached_property
    def whole(self) -> Dataset:
        """All of workload W in an index, and in DuckDB."""
        return self._load(self.sizes.runs, lambda _, directory: [DuckDb(directory)])

    @cached_property
    def subset(self) -> Dataset:
        """The part of workload W that slow peers hold too, in an index and in every peer."""
        return self._load(self.sizes.peer_runs, _all_peers)

    @cached_property
    def single_selects(self) -> OneSelectAPair:
        """The rows of the subset, asked one by one."""
        single = OneSelectAPair(self.subset.stack.database)
        self._open.callback(single.close)
        return single

    def close(self) -> None:
        """Stop everything that was started."""
        self._open.close()

    def _load(self, runs: int, peers: Callable[[Stack, Path], Sequence[Peer]]) -> Dataset:
        """Load every system with the same runs, in turn, each after the one before is at rest."""
        directory = self._open.enter_context(data_directory())
        running = self._open.enter_context(stack(directory))
        ours = PageIndex(running.database, running.index)
        self._open.callback(ours.close)
        stored = [
            run_batch(run) for run in self.track(range(1, runs + 1), f"generating {runs} runs")
        ]
        population = Population(runs)
        for batch in stored:
            population.add(batch)
        label = f"{runs} runs, {population.events / 1e6:.1f} million events"
        made = peers(running, directory)
        for peer in made:
            self._open.callback(peer.close)
        dataset = Dataset(label, running, directory, ours, made, population)
        for system in dataset.systems:
            dataset.load_s[system.name] = [
                timed(lambda: system.load(batch))  # noqa: B023  # called at once
                for batch in self.track(stored, f"loading {system.name}")
            ]
            system.settle()
            dataset.disk[system.name] = system.bytes()
        return dataset

    def track(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Show a progress bar on a terminal."""
        return track(
            items,
            what,
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )


def _all_peers(running: Stack, directory: Path) -> list[Peer]:
    peers: list[Peer] = [
        RowTable(running.database),
        Sqlite(directory),
        Lmdb(directory),
        DuckDb(directory),
    ]
    return [*peers, Redis(directory)] if Redis.available() else peers


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pairs_per_second(
    system: str,
    case: str,
    lookup: Callable[[Sequence[Batch]], list[Answer]],
    batches: Sequence[Batch],
) -> float:
    """Look batches up, check every answer after the clock has stopped, and return the rate."""
    began = time.perf_counter()
    answers = lookup(batches)
    seconds = time.perf_counter() - began
    check(system, case, answers, batches)
    return sum(len(batch.runs) for batch in batches) / seconds
