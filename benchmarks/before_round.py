"""One round of `benchmarks.before`, with the packages of whichever checkout is on the path.

`before_round.py DATABASE_URL RUN`: stores a run of workload W, looks up pairs of the runs that are
there through a warm cache, and prints what that took as JSON. Uses only what both versions have.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.workload import run_batch
from event_store.database.connection import Connection, StoreOptions
from event_store.lookup.reader import Reader
from event_store.model import Int64
from event_store.write.writer import Store

_BATCHES = 30
_CACHE_BYTES = 1 << 28


def seconds(work: Callable[[], object]) -> dict[str, float]:
    """Return what a call takes, elapsed and of this process' CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return {"elapsed": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def main(url: str, run: int) -> None:
    """Store the run, look up, print."""
    store = Store(url)
    batch = run_batch(run)
    found = {"load": seconds(lambda: store.write(batch))}
    connection = Connection(url, StoreOptions(), autocommit=True, name="benchmark")
    reader = Reader(_CACHE_BYTES, lambda fuid, dsid, state: (bytes(fuid), dsid, int(state)))
    random = np.random.default_rng(run)
    for size in (1_000, 10_000):
        pairs = [
            (batch.runs[:1], np.sort(random.choice(batch.events, size, replace=False)))
            for _ in range(_BATCHES)
        ]
        reader.lookup(connection, *pairs[0])
        found[f"one run, {size:,}"] = seconds(lambda: _look_up(reader, connection, pairs))  # noqa: B023  # called at once
    connection.close()
    store.close()
    print(json.dumps(found))


def _look_up(
    reader: Reader[tuple[bytes, int, int]],
    connection: Connection,
    pairs: list[tuple[Int64, Int64]],
) -> None:
    for runs, events in pairs:
        answer = reader.lookup(connection, runs, events)
        if not (answer.file_indexes > 0).all():
            raise AssertionError("pairs that were stored were not found")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
