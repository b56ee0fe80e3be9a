"""The peer: one row an event in PostgreSQL, loaded by binary COPY, looked up by an unnest join."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import psycopg2

from event_store.model import EventColumns, Int64

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


class RowTable:
    """The five columns of an event as a table with its primary key."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True
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

    def rest(self) -> None:
        """Give the planner its statistics and write out what is pending, of both systems."""
        self._execute("VACUUM ANALYZE")
        self._execute("CHECKPOINT")

    def bytes(self) -> int:
        """Disk of the table and its key."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_total_relation_size('bench_rows')")
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def lookup(self, runs: Int64, events: Int64) -> int:
        """Look up a batch by an unnest join with binary COPY; the number found."""
        run_list, event_list = (",".join(map(str, c.tolist())) for c in (runs, events))
        query = (
            f"SELECT r.fuid_raw FROM unnest('{{{run_list}}}'::bigint[], "
            f"'{{{event_list}}}'::bigint[]) WITH ORDINALITY AS q (run_number, event_number, n) "
            "LEFT JOIN bench_rows r USING (run_number, event_number) ORDER BY q.n"
        )
        buffer = BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", buffer)
        # A row is 2 bytes, 4 of length and the 16 of the id, or 4 of null.
        return (len(buffer.getvalue()) - 21 - 6 * len(runs)) // 16

    def lookup_one_by_one(self, runs: Int64, events: Int64) -> int:
        """Look up a batch by one SELECT a pair; the number found."""
        found = 0
        with self._connection.cursor() as cursor:
            for pair in zip(runs.tolist(), events.tolist(), strict=True):
                cursor.execute(
                    "SELECT fuid_raw FROM bench_rows WHERE run_number = %s AND event_number = %s",
                    pair,
                )
                found += len(cursor.fetchall())
        return found

    def count_masks(self) -> dict[int, int]:
        """How many events have each mask, by GROUP BY: the bits' counts are sums of these."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT olt_result, count(*) FROM bench_rows GROUP BY olt_result")
            return dict(cursor.fetchall())

    def list_mask(self, mask: int) -> int:
        """The events that have every bit of a mask, as columns and RAW files; how many.

        The order is the table's: the index gives its own in order of run and event.
        """
        buffer = BytesIO()
        with self._connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY (SELECT * FROM bench_rows WHERE olt_result & {mask} = {mask}) "
                "TO STDOUT (FORMAT BINARY)",
                buffer,
            )
        rows = np.frombuffer(buffer.getbuffer()[19:-2], _ROW)
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

    def close(self) -> None:
        """Drop the table."""
        self._execute("DROP TABLE bench_rows")
        self._connection.close()

    def _execute(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
