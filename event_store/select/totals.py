"""What the index holds in all. Reads the small tables beside the pages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database import cluster
from event_store.database.cluster import Layout
from event_store.database.connection import Connection, fetch_one

# To count more of them would take seconds.
FILES_COUNTED_MAX = 1_000_000
_TABLES = ("event_page", "run", "raw_file", "cosmic_event", "file_info")


class Totals(NamedTuple):
    """Numbers of all collections; `last_seen` is None where there is no event.

    `layout`: whether the tables lie on one server, or how on several.
    """

    events: int
    runs: int
    datasets: int
    collections: int
    last_seen: datetime | None
    size_bytes: int
    files: int
    layout: Layout


def read_totals(connection: Connection) -> Totals:
    """Return what the index holds.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n_events), 0)::bigint, count(DISTINCT run_number), max(last_seen) "
            "FROM run WHERE n_events > 0"
        )
        events, runs, last_seen = fetch_one(cursor)
        # By itself: these tables lie on the coordinator of a cluster.
        cursor.execute("SELECT (SELECT count(*) FROM dataset), (SELECT count(*) FROM collection)")
        datasets, collections = fetch_one(cursor)
        distributed = connection.distributed
        size_bytes = sum(cluster.sizes(cursor, _TABLES, distributed=distributed).values())
        files = _files(cursor, distributed=distributed)
        layout = cluster.read_layout(cursor)
    return Totals(events, runs, datasets, collections, last_seen, size_bytes, files, layout)


def _files(cursor: Cursor, *, distributed: bool) -> int:
    """Return how many files hold events; of many PostgreSQL's own estimate."""
    files = cluster.rows_estimated(cursor, "raw_file", distributed=distributed)
    if files <= FILES_COUNTED_MAX:
        cursor.execute("SELECT count(*) FROM raw_file WHERE n_events > 0")
        (files,) = fetch_one(cursor)
    return int(files)
