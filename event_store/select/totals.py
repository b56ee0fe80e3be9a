"""What the index holds in all. Reads the small tables beside the pages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one

# To count more of them would take seconds.
FILES_COUNTED_MAX = 1_000_000
_TABLES = ("event_page", "run", "raw_file", "cosmic_event", "file_info")
_SIZE = " + ".join(f"pg_total_relation_size('{table}')" for table in _TABLES)


class Totals(NamedTuple):
    """Numbers of all collections; `last_seen` is None where there is no event."""

    events: int
    runs: int
    datasets: int
    collections: int
    last_seen: datetime | None
    size_bytes: int
    files: int


def read_totals(cursor: Cursor) -> Totals:
    """Return what the index holds."""
    cursor.execute(
        "SELECT coalesce(sum(n_events), 0)::bigint, count(DISTINCT run_number), "
        "(SELECT count(*) FROM dataset), (SELECT count(*) FROM collection), max(last_seen), "
        f"({_SIZE})::bigint FROM run WHERE n_events > 0"
    )
    events, runs, datasets, collections, last_seen, size_bytes = fetch_one(cursor)
    files = _files(cursor)
    return Totals(events, runs, datasets, collections, last_seen, size_bytes, files)


def _files(cursor: Cursor) -> int:
    """Return how many files hold events; of many PostgreSQL's own estimate."""
    cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass('raw_file')")
    (files,) = fetch_one(cursor)
    if files <= FILES_COUNTED_MAX:
        cursor.execute("SELECT count(*) FROM raw_file WHERE n_events > 0")
        (files,) = fetch_one(cursor)
    return int(files)
