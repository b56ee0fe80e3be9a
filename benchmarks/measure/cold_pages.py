"""Cold pages in one process: a lookup with an empty cache beside PostgreSQL alone.

Alone means a COPY of the same pages, thrown away: the very statement of the lookup, which sends
some hundred pages a row, and the plain one of a row a page. All in turn on one connection. Also in
CPU time of both processes, which says more on a busy machine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.context import Bench
from benchmarks.results import OURS, Figure, WrongAnswerError
from benchmarks.workload import FUID, Batch, Lookup
from event_store.database.connection import Connection, StoreOptions, copy_rows
from event_store.lookup.loading import pages_at_once
from event_store.lookup.reader import Reader
from event_store.model import RAW, DatasetState
from event_store.pages import blocks
from event_store.pages.copy import WantedPages, fetch_sql
from event_store.pages.format import SLOT_BITS

ALONE, ROWS = "PostgreSQL alone", "PostgreSQL alone, a row a page"
CASES = (
    Lookup("one run, 10,000 pairs", 10_000, one_run=True, ascending=True),
    Lookup("random over all pages, 10,000 pairs", 10_000, one_run=False, ascending=False),
)
_CACHE_BYTES = 1 << 30
_WARM_UP = 2


class _Spent(NamedTuple):
    seconds: float
    cpu_seconds: float


def measure(bench: Bench) -> Iterator[Figure]:
    """Measure both in turn, on batches that a new reader answers."""
    dataset = bench.whole
    random = np.random.default_rng(8)
    connection = Connection(dataset.stack.database, StoreOptions(), autocommit=True, name="bench")
    with contextlib.closing(connection):
        for case in CASES:
            batches = dataset.population.draw(case, bench.sizes.repeats + _WARM_UP, random)
            spent: dict[str, list[_Spent]] = {OURS: [], ALONE: [], ROWS: []}
            for batch in batches:
                for system, work in ((OURS, _look_up), (ALONE, _read), (ROWS, _read_rows)):
                    spent[system].append(_timed(connection, partial(work, connection, batch)))
            for system, samples in spent.items():
                later = samples[_WARM_UP:]
                rates = [case.size / one.seconds for one in later]
                yield Figure("cold_pages", case.name, system, "pairs/s", rates, dataset.label)
                milliseconds = [one.cpu_seconds * 1000 for one in later]
                yield Figure(
                    "cold_pages",
                    f"{case.name}, CPU of both processes",
                    system,
                    "ms",
                    milliseconds,
                    dataset.label,
                    less_is_better=True,
                )


def _timed(connection: Connection, work: Callable[[], object]) -> _Spent:
    with connection.cursor():
        backend = psutil.Process(connection.backend_pid)
    began, own, other = time.perf_counter(), time.process_time(), _cpu_s(backend)
    work()
    seconds = time.perf_counter() - began
    return _Spent(seconds, time.process_time() - own + _cpu_s(backend) - other)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _look_up(connection: Connection, batch: Batch) -> None:
    answer = Reader(_CACHE_BYTES, _file_id).lookup(connection, batch.runs, batch.events)
    fuids = np.frombuffer(bytes(16) + b"".join(answer.files), FUID)
    if fuids[answer.file_indexes].tobytes() != batch.fuids.tobytes():
        raise WrongAnswerError("a cold lookup has wrong files")


def _file_id(fuid: bytes, _dataset: int, _state: DatasetState) -> bytes:
    return fuid


def _read(connection: Connection, batch: Batch) -> None:
    runs, pages = _pages(batch)
    wanted = blocks.WantedPages(runs, pages, [-1] * len(runs))
    pages_a_row = pages_at_once(_CACHE_BYTES, with_olt=False)
    sql = blocks.read_sql(wanted, pages_a_row, with_olt=False, collection=RAW)
    with connection.cursor() as cursor:
        copy_rows(cursor, sql, len)


def _read_rows(connection: Connection, batch: Batch) -> None:
    sql = fetch_sql(WantedPages(*_pages(batch)), with_olt=False)
    with connection.cursor() as cursor:
        copy_rows(cursor, sql, len)


def _pages(batch: Batch) -> tuple[list[int], list[int]]:
    runs, pages = np.unique(np.stack([batch.runs, batch.events >> SLOT_BITS]), axis=1).tolist()
    return runs, pages
