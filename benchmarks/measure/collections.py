"""Events/s of the overlap of two collections, beside joins of the same events as rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np

from benchmarks.context import Bench, Dataset, timed
from benchmarks.peers.duckdb_columns import DuckDb
from benchmarks.peers.postgres_rows import RowTable
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import run_batch
from event_store.database.connection import Connection, StoreOptions
from event_store.model import NUMBER_MAX, RAW_NAME, EventColumns, RawFile
from event_store.select.collections import collection_numbers
from event_store.select.overlap import Overlap

_NAME = "derived"
# The derived collection lacks the events whose number this divides: one in ten.
_LEFT_OUT = 10
_DSID = 5000
_CASE = "overlap of two collections"


def measure(bench: Bench) -> Iterator[Figure]:
    """Compare a collection with one that was made from it: a few runs, and all."""
    for dataset in (bench.subset, bench.whole):
        expected = _derive(bench, dataset)
        yield from _over_grpc(bench, dataset, expected)
        yield _in_process(bench, dataset, expected)


def _derive(bench: Bench, dataset: Dataset) -> int:
    """Fill the second collection; how many events it has, all of which the first has too."""
    dataset.ours.make_collection(_NAME)
    expected = 0
    for run in bench.track(dataset.population.runs, "deriving a collection"):
        batch = _derived(run_batch(run))
        expected += len(batch)
        dataset.ours.load_derived(batch)
    dataset.ours.settle()
    return expected


def _derived(batch: EventColumns) -> EventColumns:
    kept = np.flatnonzero(batch.events % _LEFT_OUT)
    return replace(
        batch,
        runs=batch.runs[kept],
        events=batch.events[kept],
        olt=batch.olt[kept],
        file_index=batch.file_index[kept],
        source_index=batch.source_index[kept],
        files=[RawFile(file.fuid, _DSID) for file in batch.files],
    )


def _over_grpc(bench: Bench, dataset: Dataset, expected: int) -> Iterator[Figure]:
    """Time the call, and joins in turn with it."""
    peers = [peer for peer in dataset.peers if isinstance(peer, DuckDb | RowTable)]
    for peer in peers:
        peer.derive(_LEFT_OUT)
    systems: dict[str, Callable[[], int]] = {
        OURS: lambda: dataset.ours.overlap([RAW_NAME, _NAME]),
        **{f"{_name(peer)}": peer.overlap for peer in peers},
    }
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(bench.sizes.repeats):
        for name, overlap in systems.items():
            seconds[name].append(timed(lambda: _check(name, overlap(), expected)))  # noqa: B023  # called at once
    for peer in peers:
        peer.underive()
    for name, samples in seconds.items():
        rates = [dataset.population.events / one for one in samples]
        yield Figure("collections", _CASE, name, "events/s", rates, dataset.label)


def _name(peer: DuckDb | RowTable) -> str:
    return "DuckDB, join" if isinstance(peer, DuckDb) else "rows, join"


def _in_process(bench: Bench, dataset: Dataset, expected: int) -> Figure:
    """Time what the index service does of it, by CPU: PostgreSQL's part is another process'."""
    connection = Connection(
        dataset.stack.database, StoreOptions(), autocommit=True, name="benchmark"
    )
    rates = []
    with closing(connection):
        with connection.cursor() as cursor:
            numbers = collection_numbers(cursor, [_NAME])
        for _ in range(bench.sizes.repeats):
            began, found = time.process_time(), 0
            overlap = Overlap([0, numbers[_NAME]], 0, NUMBER_MAX)
            while parts := overlap.read(connection):
                found += sum(int(matrix[0, 1]) for _, matrix in parts)
            rates.append(dataset.population.events / (time.process_time() - began))
            _check(OURS, found, expected)
    case = f"{_CASE}, CPU of the service alone"
    return Figure("collections", case, OURS, "events/s", rates, dataset.label)


def _check(system: str, found: int, expected: int) -> None:
    if found != expected:
        raise WrongAnswerError(f"{system}: {found} events in both collections, not {expected}")
