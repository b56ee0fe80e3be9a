"""How much the index holds and what its tables take: for those who watch it, once a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database import cluster
from event_store.database.connection import Connection, fetch_one

# All of them but the list of migrations.
TABLES = (
    "event_page",
    "run",
    "raw_file",
    "dataset",
    "dataset_version",
    "collection",
    "event_conflict",
    "dead_letter",
    "dead_letter_size",
    "cosmic_event",
    "olt_criterion",
    "file_info",
    "file_info_version",
    "file_info_replaced",
    "access_token",
    "admin_action",
    "broker_session",
    "detector_heard",
    "http_job",
    "http_job_chunk",
)
# Above it PostgreSQL's own estimate is good enough: to count them would take seconds.
FILES_COUNTED_MAX = 1_000_000

_RUNS = "SELECT coalesce(sum(n_events), 0), count(DISTINCT run_number) FROM run WHERE n_events > 0"
_FILES = "SELECT count(*) FROM raw_file WHERE n_events > 0"
_WAL = "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_lsn() - '0/0' END"
# The largest by themselves, so that there are as many labels as a graph can show.
COLLECTIONS_SHOWN_MAX = 50
# No collection can have this name.
OTHERS = "(others)"
_COLLECTIONS = (
    "SELECT c.name, coalesce(r.events, 0), coalesce(r.runs, 0) FROM collection c LEFT JOIN "
    "(SELECT collection_id, sum(n_events)::bigint AS events, count(*) AS runs FROM run "
    "WHERE n_events > 0 GROUP BY collection_id) r ON r.collection_id = c.collection_id "
    "WHERE r.events > 0 OR c.collection_id = 0 ORDER BY 2 DESC, 1"
)
# A table that this schema lacks, or that was dropped meanwhile, has no row.
_TABLES = (
    "SELECT s.relname, s.n_dead_tup "
    "FROM pg_stat_user_tables AS s WHERE s.relid = to_regclass(s.relname) "
    "AND s.relname = ANY(%s)"
)


class TableSize(NamedTuple):
    """What a table takes, its indexes and TOAST included, and its dead rows."""

    size_bytes: int
    dead_rows: int


class InCollection(NamedTuple):
    """What a collection holds, or several together."""

    events: int
    runs: int


class Totals(NamedTuple):
    """What the index holds: of all collections; files that hold events.

    Attributes:
        wal_bytes: written since the database was made.
        collections: "raw" and the largest that hold events, by name; all others are "(others)".
    """

    events: int
    runs: int
    files: int
    wal_bytes: int
    tables: dict[str, TableSize]
    collections: dict[str, InCollection]


def totals(connection: Connection) -> Totals:
    """Return the numbers as they are now; of many files an estimate.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RUNS)
        events, runs = fetch_one(cursor)
        distributed = connection.distributed
        files = cluster.rows_estimated(cursor, "raw_file", distributed=distributed)
        if files <= FILES_COUNTED_MAX:
            cursor.execute(_FILES)
            (files,) = fetch_one(cursor)
        cursor.execute(_WAL)
        (wal_bytes,) = fetch_one(cursor)
        tables = _tables(cursor, distributed=distributed)
        cursor.execute(_COLLECTIONS)
        collections = shown(cursor.fetchall())
    return Totals(int(events), runs, int(files), int(wal_bytes), tables, collections)


def _tables(cursor: Cursor, *, distributed: bool) -> dict[str, TableSize]:
    cursor.execute(_TABLES, (list(TABLES),))
    dead = dict(cursor.fetchall())
    size = cluster.sizes(cursor, dead, distributed=distributed) if dead else {}
    if distributed:
        for name in dead.keys() & set(cluster.DISTRIBUTED):
            dead[name] = cluster.dead_rows(cursor, name)
    return {name: TableSize(size[name], dead[name]) for name in dead}


def shown(rows: Sequence[tuple[str, int, int]]) -> dict[str, InCollection]:
    """Return collections by name out of (name, events, runs), the largest first. Pure."""
    found = {
        name: InCollection(events, runs) for name, events, runs in rows[:COLLECTIONS_SHOWN_MAX]
    }
    rest = rows[COLLECTIONS_SHOWN_MAX:]
    if rest:
        found[OTHERS] = InCollection(sum(row[1] for row in rest), sum(row[2] for row in rest))
    return found
