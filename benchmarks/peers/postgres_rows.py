"""Peer: one row an event in PostgreSQL, loaded by binary COPY, looked up in two ways.

The rows are on the same server as the index under measurement.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import psycopg2

from benchmarks.peers.base import Answer
from benchmarks.peers.pages import vacuum
from benchmarks.workload import FUID, Batch, Fuids
from event_store.model import EventColumns

_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("run_size", ">i4"),
        ("run", ">i8"),
        ("event_size", ">i4"),
        ("event", ">i8"),
        ("olt_size", ">i4"),
        ("olt", ">u8"),
        ("dsid_size", ">i4"),
        ("dsid", ">i4"),
        ("fuid_size", ">i4"),
        ("fuid", "V16"),
    ]
)
_FOUND = np.dtype([("fields", ">i2"), ("size", ">i4"), ("fuid", "V16")])
_HEADER_BYTES, _TRAILER_BYTES = 19, 2


class RowTable:
    """The five columns of an event as a table with its primary key; `unnest` join by COPY."""

    name = "rows, unnest join"
    pairs_max = 100_000

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        # For an index in memory or on an SSD; the default has the planner read the whole table.
        self._execute("SET random_page_cost = 1.1")
        self._execute(
            "CREATE TABLE bench_rows (run_number bigint, event_number bigint, olt_result bigint, "
            "dsid_raw integer, fuid_raw uuid, PRIMARY KEY (run_number, event_number))"
        )

    def load(self, batch: EventColumns) -> None:
        """Load a batch in a transaction of its own."""
        rows = np.zeros(len(batch), _ROW)
        rows["fields"] = 5
        for name, size in (("run", 8), ("event", 8), ("olt", 8), ("dsid", 4), ("fuid", 16)):
            rows[f"{name}_size"] = size
        rows["run"], rows["event"], rows["olt"] = batch.runs, batch.events, batch.olt
        fuids = np.frombuffer(b"".join(file.fuid.bytes for file in batch.files), "V16")
        rows["fuid"] = fuids[batch.file_index]
        rows["dsid"] = np.array([file.dsid for file in batch.files])[batch.file_index]
        data = b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + struct.pack(">h", -1)
        with self._connection.cursor() as cursor:
            cursor.copy_expert(
                "COPY bench_rows FROM STDIN (FORMAT BINARY)", BytesIO(data), size=1 << 20
            )

    def settle(self) -> None:
        """Vacuum, and write out what is pending."""
        vacuum(self._database_url)

    def bytes(self) -> int:
        """Return disk of the table and its key."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size('bench_rows')")
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look batches up by an unnest join whose answer comes by binary COPY."""
        return [self._join(batch) for batch in batches]

    def _join(self, batch: Batch) -> Answer:
        run_list, event_list = (",".join(map(str, c.tolist())) for c in batch[:2])
        query = (
            f"SELECT r.fuid_raw FROM unnest('{{{run_list}}}'::bigint[], "
            f"'{{{event_list}}}'::bigint[]) WITH ORDINALITY AS q (run_number, event_number, n) "
            "LEFT JOIN bench_rows r USING (run_number, event_number) ORDER BY q.n"
        )
        buffer = BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", buffer)
        fuids = _parse(buffer.getvalue(), len(batch.runs))
        return lambda: fuids

    def count_masks(self) -> dict[int, int]:
        """Return how many events have each mask, by GROUP BY; a bit's count is a sum of these."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT olt_result, count(*) FROM bench_rows GROUP BY olt_result")
            return dict(cursor.fetchall())

    def list_mask(self, mask: int) -> int:
        """List the events that have every bit of a mask, with their RAW files; return how many.

        The order is the table's: the index gives its own in order of run and event.
        """
        buffer = BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY (SELECT * FROM bench_rows WHERE olt_result & {mask} = {mask}) "
                "TO STDOUT (FORMAT BINARY)",
                buffer,
            )
        rows = np.frombuffer(buffer.getbuffer()[_HEADER_BYTES:-_TRAILER_BYTES], _ROW)
        columns = [rows[name].astype(np.int64) for name in ("run", "event", "olt", "dsid")]
        fuids = rows["fuid"].copy()
        return len(columns[0]) if len(fuids) else 0

    def index_mask(self, mask: int) -> None:
        """Make a partial covering index for a mask."""
        self._execute(
            f"CREATE INDEX bench_rows_{mask} ON bench_rows (run_number, event_number) "
            f"INCLUDE (olt_result, dsid_raw, fuid_raw) WHERE olt_result & {mask} = {mask}"
        )
        self._execute("VACUUM ANALYZE bench_rows")

    def unindex_mask(self, mask: int) -> None:
        """Drop the index again."""
        self._execute(f"DROP INDEX bench_rows_{mask}")

    def derive(self, left_out: int) -> None:
        """Copy the rows whose event number `left_out` does not divide into a second table."""
        self._execute(
            "CREATE TABLE bench_derived AS SELECT * FROM bench_rows "
            f"WHERE event_number % {left_out} <> 0"
        )
        self._execute("ALTER TABLE bench_derived ADD PRIMARY KEY (run_number, event_number)")
        self._execute("VACUUM ANALYZE bench_derived")

    def overlap(self) -> int:
        """Return how many events are in both tables, by a join of one process."""
        self._execute("SET max_parallel_workers_per_gather = 0")
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM bench_rows JOIN bench_derived "
                "USING (run_number, event_number)"
            )
            row = cursor.fetchone()
        self._execute("RESET max_parallel_workers_per_gather")
        return int(row[0]) if row else 0

    def underive(self) -> None:
        """Drop the second table again."""
        self._execute("DROP TABLE bench_derived")

    def close(self) -> None:
        """Drop the table."""
        self._execute("DROP TABLE bench_rows")
        self._connection.close()

    def _execute(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)


class OneSelectAPair:
    """The same table, asked by one SELECT a pair."""

    name = "rows, a SELECT a pair"
    # It answers pair by pair: larger batches take seconds and show nothing new.
    pairs_max = 1_000

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(
                "PREPARE one_pair (bigint, bigint) AS SELECT fuid_raw FROM bench_rows "
                "WHERE run_number = $1 AND event_number = $2"
            )

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look pairs up by a prepared statement, one after the other."""
        return [self._select(batch) for batch in batches]

    def _select(self, batch: Batch) -> Answer:
        found: list[str | None] = []
        with self._connection.cursor() as cursor:
            for pair in zip(batch.runs.tolist(), batch.events.tolist(), strict=True):
                cursor.execute("EXECUTE one_pair (%s, %s)", pair)
                row = cursor.fetchone()
                found.append(row[0] if row else None)
        return lambda: _from_text(found)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _parse(answer: bytes, count: int) -> Fuids:
    """Return the ids of a binary COPY of one nullable uuid a row."""
    if len(answer) == _HEADER_BYTES + count * _FOUND.itemsize + _TRAILER_BYTES:
        return np.frombuffer(answer, _FOUND, count, _HEADER_BYTES)["fuid"].copy()
    fuids, at = np.zeros(count, FUID), _HEADER_BYTES
    for row in range(count):
        (size,) = struct.unpack_from(">i", answer, at + 2)
        at += 6
        if size > 0:
            fuids[row] = answer[at : at + size]
            at += size
    return fuids


def _from_text(found: Sequence[str | None]) -> Fuids:
    ids = [bytes.fromhex(fuid.replace("-", "")) if fuid else bytes(16) for fuid in found]
    return np.frombuffer(b"".join(ids), FUID)
