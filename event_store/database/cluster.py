"""Where the tables lie and what they take, on one server or over the nodes of a cluster (Citus).

On a cluster the coordinator's own table is empty: its shards are asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one

# By run; the others are placed as the first one is.
DISTRIBUTED = ("run", "event_page", "raw_file", "event_conflict", "cosmic_event")

_HAS_CITUS = "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"
_LAYOUT = (
    "SELECT count(DISTINCT s.shardid), count(DISTINCT p.groupid) FROM pg_dist_shard s "
    "JOIN pg_dist_placement p ON p.shardid = s.shardid "
    "WHERE s.logicalrelid = to_regclass('event_page') AND s.shardminvalue IS NOT NULL"
)
_OF_SHARDS = (
    "SELECT coalesce(sum(result::float8), 0)::bigint "
    "FROM run_command_on_shards(%s::regclass, %s) WHERE success"
)

# Citus puts the name of each shard in the place of %s.
_ESTIMATE = "SELECT reltuples FROM pg_class WHERE oid = '%s'::regclass"
_DEAD = "SELECT pg_stat_get_dead_tuples('%s'::regclass)"


class Layout(NamedTuple):
    """The shards of each table by run and the nodes that hold them; 0 on one server."""

    shards: int
    nodes: int


ONE_SERVER = Layout(0, 0)


def has_citus(cursor: Cursor) -> bool:
    """Return whether the database has the extension."""
    cursor.execute(_HAS_CITUS)
    return bool(fetch_one(cursor)[0])


def read_layout(cursor: Cursor) -> Layout:
    """Return how the tables of a database lie."""
    if not has_citus(cursor):
        return ONE_SERVER
    cursor.execute(_LAYOUT)
    return Layout(*fetch_one(cursor))


def size_sql(table: str, *, distributed: bool) -> str:
    """Return an expression for what a table takes, with its indexes and TOAST, bytes. Pure."""
    of = "citus" if distributed and table in DISTRIBUTED else "pg"
    # Null of a table that was dropped meanwhile.
    return f"{of}_total_relation_size(to_regclass('{table}'))"


def sizes(cursor: Cursor, tables: Iterable[str], *, distributed: bool) -> dict[str, int]:
    """Return what each of these tables takes; all are there."""
    names = list(tables)
    columns = ", ".join(size_sql(name, distributed=distributed) for name in names)
    cursor.execute(f"SELECT {columns}")
    return {name: size or 0 for name, size in zip(names, fetch_one(cursor), strict=True)}


def rows_estimated(cursor: Cursor, table: str, *, distributed: bool) -> int:
    """Return PostgreSQL's own estimate; -1 before it has made one."""
    if distributed and table in DISTRIBUTED:
        return _of_shards(cursor, table, _ESTIMATE)
    cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", (table,))
    return int(fetch_one(cursor)[0])


def dead_rows(cursor: Cursor, table: str) -> int:
    """Return the dead rows in the shards of a table by run."""
    return _of_shards(cursor, table, _DEAD)


def _of_shards(cursor: Cursor, table: str, command: str) -> int:
    cursor.execute(_OF_SHARDS, (table, command))
    return int(fetch_one(cursor)[0])
