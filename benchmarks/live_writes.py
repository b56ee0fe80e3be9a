"""`python -m benchmarks.live_writes`: 20 commits/s into one run, and what dead versions take.

Dead space is what `VACUUM FULL` gives back at the end; that it is flat shows in the samples.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass

import click
import numpy as np
import psycopg2
from psycopg2.extensions import cursor as Cursor

from benchmarks.processes import data_directory, stack
from event_store.model import EventColumns, RawFile
from event_store.write.writer import Store

_CHANCES = np.array([0.3, 0.2, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01, 0.005, 0.002, 0.001])
_EVENTS_PER_FILE, _FILES = 5_000, 8
_SIZES = """
    SELECT sum(pg_total_relation_size(t)) FILTER (WHERE t = 'event_page'::regclass),
           sum(pg_total_relation_size(t)) FILTER (WHERE t <> 'event_page'::regclass),
           (SELECT sum(s.n_dead_tup) FROM pg_stat_all_tables s, pg_class c
            WHERE c.oid = 'event_page'::regclass AND s.relid IN (c.oid, c.reltoastrelid))
    FROM unnest('{event_page,run,raw_file}'::regclass[]) AS t"""


@dataclass(frozen=True)
class Sample:
    """Bytes of the tables with their indexes and TOAST, and dead rows, after so many seconds."""

    seconds: float
    events: int
    page_bytes: int
    catalogue_bytes: int
    dead_rows: int


@dataclass(frozen=True)
class LiveWrites:
    """The curve, and the bytes that `VACUUM FULL event_page` gave back."""

    samples: list[Sample]
    dead_bytes: int


def measure(
    database_url: str,
    *,
    seconds: float = 600,
    commits_per_s: int = 20,
    events_per_commit: int = 50,
    sample_every_s: float = 10,
) -> LiveWrites:
    """Write ascending events of one run at a steady rate, and watch the tables."""
    run, number = int(time.time()), 0
    random = np.random.default_rng(1)
    store = Store(database_url)
    samples: list[Sample] = []
    with (
        contextlib.closing(store),
        contextlib.closing(psycopg2.connect(database_url)) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        began = time.monotonic()
        for commit in range(int(seconds * commits_per_s)):
            if time.monotonic() - began >= len(samples) * sample_every_s:
                samples.append(_sample(cursor, time.monotonic() - began, number))
            store.write(_batch(run, number, events_per_commit, random))
            number += events_per_commit
            wait_s = began + (commit + 1) / commits_per_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
        samples.append(_sample(cursor, time.monotonic() - began, number))
        cursor.execute("VACUUM FULL event_page")
        packed = _sample(cursor, 0, number)
    return LiveWrites(samples, samples[-1].page_bytes - packed.page_bytes)


def _batch(run: int, first: int, size: int, random: np.random.Generator) -> EventColumns:
    bits = random.random((size, len(_CHANCES))) < _CHANCES
    group = first // (_EVENTS_PER_FILE * _FILES) * _FILES
    return EventColumns(
        runs=np.full(size, run, np.int64),
        events=np.arange(first, first + size, dtype=np.int64),
        olt=(bits << np.arange(len(_CHANCES))).sum(axis=1).astype(np.uint64),
        file_index=random.integers(0, _FILES, size).astype(np.int32),
        files=[RawFile(uuid.UUID(int=run << 64 | group + i), 1) for i in range(_FILES)],
        source_index=np.zeros(size, np.int32),
        sources=["benchmark"],
    )


def _sample(cursor: Cursor, seconds: float, events: int) -> Sample:
    cursor.execute(_SIZES)
    row = cursor.fetchone()
    assert row is not None
    pages, catalogue, dead = map(int, row)
    return Sample(seconds, events, pages, catalogue, dead)


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long.")
def main(seconds: float) -> None:
    """Write 20 times a second into one run and print the sizes of the tables."""
    with data_directory() as root, stack(root) as servers:
        result = measure(servers.database, seconds=seconds)
    for sample in result.samples:
        print(
            f"{sample.seconds:5.0f} s {sample.events:9,} events {sample.page_bytes / 1e6:8.2f} MB "
            f"pages {sample.catalogue_bytes / 1e6:6.2f} MB catalogue {sample.dead_rows:,} dead"
        )
    print(f"dead space: {result.dead_bytes / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
