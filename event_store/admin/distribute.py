"""The tables by run over the nodes of a Citus cluster, and back; an edge, for the owner's role.

All of a run lies on one shard; everything else stays on the coordinator. Services are stopped
meanwhile. Harmless where it is done already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from event_store.database import roles, session
from event_store.database.cluster import DISTRIBUTED, ONE_SERVER, Layout, has_citus, read_layout
from event_store.database.connection import fetch_one
from event_store.database.driver import translate
from event_store.errors import StoreError

_COLUMN = "run_number"
# What `lookup_event` calls at the nodes; those of the views Citus takes there itself.
_FUNCTIONS = ("plane_value(bytea,integer,integer,integer)",)
_NAME = "eventindex distribute"
# A worker inherits nothing of the coordinator's session.
_ROLE_SETTINGS = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "synchronous_commit": "on",
}
_SERVICES = (
    "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name LIKE 'eventindex %%' AND pid <> pg_backend_pid() "
    "AND application_name <> %s ORDER BY 1"
)
_WRITERS = (
    "SELECT DISTINCT grantee::regrole::text FROM pg_class, aclexplode(relacl) "
    "WHERE oid = 'run'::regclass AND privilege_type IN ('INSERT', 'SELECT') AND grantee <> 0"
)


def distribute(database_url: str, shards: int, say: Callable[[str], object]) -> Layout:
    """Distribute the tables by run.

    Args:
        database_url: of the owner, at the coordinator.
        shards: of each table, where none is distributed yet.
        say: is told of each step.

    Raises:
        StoreError: this database cannot be distributed, in a sentence.
        StoreUnavailableError: it does not answer.
    """
    with _cursor(database_url) as cursor:
        _check(cursor)
        done = _distributed(cursor)
        for table in DISTRIBUTED:
            if table in done:
                continue
            reloptions = _toast_options(cursor, table)
            if table == DISTRIBUTED[0]:
                cursor.execute(
                    "SELECT create_distributed_table(%s, %s, shard_count := %s)",
                    (table, _COLUMN, shards),
                )
            else:
                cursor.execute(
                    "SELECT create_distributed_table(%s, %s, colocate_with := %s)",
                    (table, _COLUMN, DISTRIBUTED[0]),
                )
            # What was in the table before is still in it, beside its shards.
            cursor.execute("SELECT truncate_local_data_after_distributing_table(%s)", (table,))
            _set_toast_options(cursor, table, reloptions)
            say(f"{table} is distributed by {_COLUMN}")
        for function in _FUNCTIONS:
            cursor.execute("SELECT create_distributed_function(%s)", (function,))
        for role in _roles(cursor):
            _set_role(cursor, role, _ROLE_SETTINGS)
        return read_layout(cursor)


def undo(database_url: str, say: Callable[[str], object]) -> Layout:
    """Bring the tables back to the coordinator; arguments and errors as `distribute`."""
    with _cursor(database_url) as cursor:
        if not has_citus(cursor):
            return ONE_SERVER
        _check_services(cursor)
        done = _distributed(cursor)
        for table in reversed(DISTRIBUTED):
            if table not in done:
                continue
            reloptions = _toast_options(cursor, table)
            if _has_identity(cursor, table):
                _copy_back(cursor, table)
            else:
                cursor.execute("SELECT undistribute_table(%s)", (table,))
            _set_toast_options(cursor, table, reloptions)
            say(f"{table} is on the coordinator")
        for role in _roles(cursor):
            _set_role(cursor, role, dict.fromkeys(_ROLE_SETTINGS))
        roles.prepare(cursor)
        return read_layout(cursor)


@contextlib.contextmanager
def _cursor(database_url: str) -> Iterator[Cursor]:
    try:
        with (
            contextlib.closing(session.connect(database_url, name=_NAME, timeout_s=10)) as raw,
            raw.cursor() as cursor,
        ):
            yield cursor
    except psycopg2.Error as error:
        raise translate(error) from error


def _check(cursor: Cursor) -> None:
    if not has_citus(cursor):
        raise StoreError(
            "the database has no extension citus: install Citus on all nodes, put it into "
            "shared_preload_libraries, and CREATE EXTENSION citus in this database"
        )
    cursor.execute("SELECT to_regclass('event_page') IS NOT NULL")
    if not fetch_one(cursor)[0]:
        raise StoreError("the database has no tables: run `eventindex migrate` first")
    cursor.execute(
        "SELECT count(*) FROM pg_dist_node WHERE isactive AND noderole = 'primary' "
        "AND shouldhaveshards"
    )
    if not fetch_one(cursor)[0]:
        raise StoreError(
            "the cluster has no worker that takes shards: SELECT citus_add_node('host', 5432)"
        )
    _check_services(cursor)


def _check_services(cursor: Cursor) -> None:
    cursor.execute(_SERVICES, (_NAME,))
    if running := [name for (name,) in cursor.fetchall()]:
        raise StoreError(f"stop the services first: {', '.join(running)} use the database")


def _distributed(cursor: Cursor) -> set[str]:
    cursor.execute(
        "SELECT c.relname FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid "
        "WHERE p.partmethod = 'h'"
    )
    return {name for (name,) in cursor.fetchall()}


def _toast_options(cursor: Cursor, table: str) -> list[str]:
    cursor.execute(
        "SELECT t.reloptions FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid "
        "WHERE c.oid = to_regclass(%s)",
        (table,),
    )
    row = cursor.fetchone()
    return list(row[0] or []) if row else []


def _set_toast_options(cursor: Cursor, table: str, reloptions: list[str]) -> None:
    """Set what Citus does not carry over; it hands this statement on to the shards."""
    pairs = [option.partition("=") for option in reloptions]
    if not pairs:
        return
    settings = sql.SQL(", ").join(
        sql.SQL("toast.{} = {}").format(sql.Identifier(name), sql.Literal(value))
        for name, _, value in pairs
    )
    cursor.execute(sql.SQL("ALTER TABLE {} SET ({})").format(sql.Identifier(table), settings))


def _has_identity(cursor: Cursor, table: str) -> bool:
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) "
        "AND attidentity <> '')",
        (table,),
    )
    return bool(fetch_one(cursor)[0])


def _copy_back(cursor: Cursor, table: str) -> None:
    """Put a copy in the place of a table with an identity column, which Citus moves not back."""
    copy = f"{table}_copy"
    names = {"table": sql.Identifier(table), "copy": sql.Identifier(copy)}
    indexes = _indexes(cursor, table)
    cursor.execute("BEGIN")
    for text in (
        "CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)",
        "INSERT INTO {copy} OVERRIDING SYSTEM VALUE SELECT * FROM {table}",
    ):
        cursor.execute(sql.SQL(text).format(**names))
    copied = _indexes(cursor, copy)
    for text in ("DROP TABLE {table}", "ALTER TABLE {copy} RENAME TO {table}"):
        cursor.execute(sql.SQL(text).format(**names))
    for definition, name in copied.items():
        change = sql.SQL("ALTER INDEX {} RENAME TO {}")
        old = sql.Identifier(indexes[definition])
        cursor.execute(change.format(sql.Identifier(name), old))
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attidentity <> ''",
        (table,),
    )
    for (column,) in cursor.fetchall():
        cursor.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({}), 0) + 1, false) "
                "FROM {}"
            ).format(sql.Identifier(column), names["table"]),
            (table, column),
        )
    cursor.execute("COMMIT")


def _indexes(cursor: Cursor, table: str) -> dict[str, str]:
    """Return the names of a table's indexes by what they are."""
    cursor.execute(
        "SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''), "
        "indexrelid::regclass::text FROM pg_index WHERE indrelid = to_regclass(%s)",
        (table,),
    )
    return dict(cursor.fetchall())


def _roles(cursor: Cursor) -> list[str]:
    """Return the owner and who else uses the tables."""
    cursor.execute(f"SELECT current_user::text UNION {_WRITERS}")
    return sorted(name for (name,) in cursor.fetchall())


def _set_role(cursor: Cursor, role: str, settings: dict[str, str] | dict[str, None]) -> None:
    cursor.execute("SELECT current_database()")
    [database] = fetch_one(cursor)
    for name, value in settings.items():
        change = "RESET {}" if value is None else "SET {} = {}"
        values = [sql.Identifier(name)] + ([] if value is None else [sql.Literal(value)])
        cursor.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} " + change).format(
                sql.Identifier(role.strip('"')), sql.Identifier(database), *values
            )
        )
