"""Peer: SQLite in this process, a table WITHOUT ROWID, pairs as VALUES joined with it.

A statement a pair takes four times as long, a temporary table of pairs half as long again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.base import Answer, FileNumbers
from benchmarks.workload import Batch
from event_store.model import EventColumns

# The text of a statement has at most a million bytes.
_PAIRS_A_STATEMENT = 10_000
_CACHE_KIB = 512 << 10
_MAP_BYTES = 64 << 30


class Sqlite:
    """Rows in a B-tree of their key; file numbers instead of ids; every commit is on disk."""

    name = "SQLite"
    pairs_max = 100_000

    def __init__(self, directory: Path) -> None:
        self._path = directory / "events.sqlite"
        self._files = FileNumbers()
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        for pragma in (
            "journal_mode=wal",
            "synchronous=full",
            f"cache_size=-{_CACHE_KIB}",
            f"mmap_size={_MAP_BYTES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(
            "CREATE TABLE events (run INTEGER, event INTEGER, olt INTEGER, file INTEGER, "
            "PRIMARY KEY (run, event)) WITHOUT ROWID"
        )

    def load(self, batch: EventColumns) -> None:
        """Insert a batch in a transaction of its own."""
        columns = (batch.runs, batch.events, batch.olt.view(np.int64), self._files.of(batch))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)

    def settle(self) -> None:
        """Write the log into the file."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("ANALYZE")

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Join batches with the events."""
        return [self._join(batch) for batch in batches]

    def _join(self, batch: Batch) -> Answer:
        pairs = list(zip(batch.runs.tolist(), batch.events.tolist(), strict=True))
        found: list[tuple[int | None]] = []
        for start in range(0, len(pairs), _PAIRS_A_STATEMENT):
            values = str(pairs[start : start + _PAIRS_A_STATEMENT])[1:-1]
            found += self._connection.execute(
                f"WITH asked (run, event) AS (VALUES {values}) "
                "SELECT file FROM asked LEFT JOIN events USING (run, event)"
            ).fetchall()
        numbers = np.array([file or 0 for (file,) in found], np.int32)
        return lambda: self._files.fuids(numbers)

    def bytes(self) -> int:
        """Return disk of the file."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
