"""Peer: DuckDB in this process, loaded from Arrow, pairs joined with the table of events.

Without an index: its tree is slower to load, larger than the data, and slower for batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.peers.base import Answer, FileNumbers
from benchmarks.workload import Batch
from event_store.model import EventColumns


class DuckDb:
    """A file of columns; file numbers instead of ids."""

    name = "DuckDB"
    pairs_max = 100_000

    def __init__(self, directory: Path) -> None:
        self._path = directory / "events.duckdb"
        self._files = FileNumbers()
        self._connection = duckdb.connect(str(self._path))
        self._connection.execute(
            "CREATE TABLE events (run BIGINT, event BIGINT, olt UBIGINT, dsid INTEGER, "
            "file INTEGER)"
        )

    def load(self, batch: EventColumns) -> None:
        """Insert a batch from an Arrow table."""
        dsids = np.array([file.dsid for file in batch.files], np.int32)
        rows = {
            "run": batch.runs,
            "event": batch.events,
            "olt": batch.olt,
            "dsid": dsids[batch.file_index],
            "file": self._files.of(batch),
        }
        self._connection.register("batch", pa.table(rows))
        self._connection.execute("INSERT INTO events SELECT * FROM batch")
        self._connection.unregister("batch")

    def settle(self) -> None:
        """Write the log into the file."""
        self._connection.execute("CHECKPOINT")

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Join batches with the events; only the pairs that are there come back."""
        return [self._join(batch) for batch in batches]

    def _join(self, batch: Batch) -> Answer:
        n = np.arange(len(batch.runs), dtype=np.int32)
        asked = pa.table({"run": batch.runs, "event": batch.events, "n": n})
        self._connection.register("asked", asked)
        found = self._connection.execute(
            "SELECT n, file FROM asked JOIN events USING (run, event)"
        ).fetchnumpy()
        numbers = np.zeros(len(batch.runs), np.int32)
        numbers[found["n"]] = found["file"]
        return lambda: self._files.fuids(numbers)

    def derive(self, left_out: int) -> None:
        """Copy the events whose number `left_out` does not divide into a second table."""
        self._connection.execute(
            f"CREATE TABLE derived AS SELECT * FROM events WHERE event % {left_out} <> 0"
        )
        self._connection.execute("CHECKPOINT")

    def overlap(self) -> int:
        """Return how many events are in both tables, by a join on one thread."""
        self._connection.execute("SET threads = 1")
        found = self._connection.execute(
            "SELECT count(*) FROM events JOIN derived USING (run, event)"
        ).fetchone()
        self._connection.execute("RESET threads")
        return int(found[0]) if found else 0

    def underive(self) -> None:
        """Drop the second table again."""
        self._connection.execute("DROP TABLE derived")

    def bytes(self) -> int:
        """Return disk of the file."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def load_with_ids(path: Path, batches: Iterable[EventColumns]) -> tuple[list[float], int]:
    """Load batches with the ids of their RAW files, as a user's Arrow tables hold them.

    Returns the seconds of each insert, of a table that was made before, and the bytes of the file.
    """
    seconds = []
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE events (run BIGINT, event BIGINT, olt UBIGINT, dsid INTEGER, "
            "fuid VARCHAR)"
        )
        for batch in batches:
            connection.register("batch", _with_ids(batch))
            began = time.perf_counter()
            connection.execute("INSERT INTO events SELECT * FROM batch")
            seconds.append(time.perf_counter() - began)
            connection.unregister("batch")
        connection.execute("CHECKPOINT")
    return seconds, path.stat().st_size


def _with_ids(batch: EventColumns) -> pa.Table:
    dsids = np.array([file.dsid for file in batch.files], np.int32)
    ids = pa.array([str(file.fuid) for file in batch.files])
    return pa.table(
        {
            "run": batch.runs,
            "event": batch.events,
            "olt": batch.olt,
            "dsid": dsids[batch.file_index],
            "fuid": pa.DictionaryArray.from_arrays(pa.array(batch.file_index), ids),
        }
    )
