"""Bytes an event where events come in small batches, or lie far apart, beside rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import psycopg2

from benchmarks.context import Bench
from benchmarks.peers.pages import PageIndex
from benchmarks.peers.postgres_rows import RowTable
from benchmarks.results import Figure
from benchmarks.workload import run_blocks, to_store
from event_store.database.migrate import migrate
from event_store.model import EventColumns

_SLOTS_A_PAGE = 8192


def measure(bench: Bench) -> Iterator[Figure]:
    """Load each kind of data into a database of its own on the same server."""
    runs = range(1, bench.sizes.peer_runs + 1)
    cases = {
        "100,000 event numbers a batch": 1,
        "1 event in 1,000 numbers": 1_000,
        "a lone event a page": _SLOTS_A_PAGE,
    }
    for case, step in cases.items():
        batches = [spread(to_store(block), step) for run in runs for block in run_blocks(run)]
        # Sparse data takes longer to store: one batch is enough.
        batches = batches if step == 1 else batches[:1]
        yield from _sizes(bench, case, batches)


def spread(batch: EventColumns, step: int) -> EventColumns:
    """Return a batch with so many times the distance between its events."""
    return replace(batch, events=batch.events * np.int64(step))


def _sizes(bench: Bench, case: str, batches: Sequence[EventColumns]) -> Iterator[Figure]:
    stack = bench.subset.stack
    url = stack.database.rpartition("/")[0] + "/bench_disk"
    with contextlib.closing(psycopg2.connect(stack.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE bench_disk")
            migrate(url)
            events = sum(map(len, batches))
            label = f"{events / 1e6:.2g} million events"
            with (
                contextlib.closing(PageIndex(url, stack.index)) as pages,
                contextlib.closing(RowTable(url)) as rows,
            ):
                for system in (pages, rows):
                    for batch in batches:
                        system.load(batch)
                    size = system.bytes() / events
                    yield Figure(
                        "disk",
                        f"{case}, {label}",
                        system.name,
                        "bytes/event",
                        [size],
                        "as the case says",
                        less_is_better=True,
                    )
            cursor.execute("DROP DATABASE bench_disk WITH (FORCE)")
