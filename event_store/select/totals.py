"""What the index holds in all. Reads the small tables beside the pages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one

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


def read_totals(cursor: Cursor) -> Totals:
    """Return what the index holds."""
    cursor.execute(
        "SELECT coalesce(sum(n_events), 0)::bigint, count(DISTINCT run_number), "
        "(SELECT count(*) FROM dataset), (SELECT count(*) FROM collection), max(last_seen), "
        f"({_SIZE})::bigint FROM run WHERE n_events > 0"
    )
    return Totals(*fetch_one(cursor))
