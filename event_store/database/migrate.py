"""Applies the numbered SQL files in `migrations/`, each in a transaction of its own.

Services go on meanwhile: a file waits for locks briefly and again, so that nobody queues behind it
for long. Its first lines may say

    -- runs with: 0012    services that know the migrations up to 0012 go on with the new schema
    -- concurrently       one CREATE INDEX CONCURRENTLY IF NOT EXISTS, outside of a transaction

An advisory lock lets one process migrate while the others wait, and PostgreSQL frees it when
that process dies: the reason for not taking a library, whose lock is a row that a kill -9 leaves
behind. Never edits a migration that was applied; add the next number.
"""

from __future__ import annotations

import contextlib
import logging
import re
from importlib import resources

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random,
)

from event_store.database import pooler, roles, session
from event_store.database.connection import Connection, StoreOptions, fetch_one
from event_store.database.driver import translate
from event_store.database.sql_script import sql_statements
from event_store.errors import StoreError, UnusableDatabaseError

log = logging.getLogger(__name__)

# Services of this release also run with the schema of this migration, and with all later ones.
OLDEST_SCHEMA = 16
# Any fixed number that no other program uses on this database.
_LOCK = 0x45764964
_NAME = "eventindex migrate"
_OPTIONS = StoreOptions(connect_timeout_s=10)
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_RUNS_WITH = re.compile(r"^-- runs with: (\d{4})$", re.MULTILINE)
_CONCURRENTLY = re.compile(r"^-- concurrently$", re.MULTILINE)
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (\w+)", re.IGNORECASE)
# Whatever asks for a lock behind this one waits as long, so lookups do.
_LOCK_TIMEOUT_MS = 2_000
_PAUSE_S_MIN, _PAUSE_S_MAX = 1.0, 3.0
_PATIENCE_S_MAX = 600.0


class SchemaTooNewError(StoreError):
    """The database was migrated by a newer version, which does not let this one run with it."""


def migrations() -> dict[int, tuple[str, str]]:
    """Return the migrations of this version: number to (file name, SQL)."""
    found: dict[int, tuple[str, str]] = {}
    for item in resources.files("event_store").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(item.name)
        if match:
            found[int(match[1])] = (item.name, item.read_text("utf-8"))
    return dict(sorted(found.items()))


def other_schema(schema: str) -> str:
    """Return what is said where the tables are not in the schema that is looked at. Pure."""
    return f"the tables are in schema {schema}: add ?options=-csearch_path%3D{schema} to its URL"


def migrate(database_url: str) -> list[str]:
    """Bring the database up to this version.

    Safe to call twice, and from several processes at once. Services of the release before go on.

    Returns:
        The file names of the migrations that were applied now; none where the database is newer
        and lets this version run with it.

    Raises:
        StoreUnavailableError: no connection, or a database that cannot be used.
        StoreError: the database refuses it, for example for lack of a right.
        SchemaTooNewError: the database is newer and needs newer services.
    """
    known = migrations()
    with contextlib.closing(
        Connection(database_url, _OPTIONS, autocommit=True, name=_NAME)
    ) as first:
        # The lock below belongs to a session.
        pooler.check(first)
    try:
        with contextlib.closing(
            session.connect(database_url, name=_NAME, timeout_s=_OPTIONS.connect_timeout_s)
        ) as connection:
            return _apply(connection, known)
    except psycopg2.Error as error:
        raise translate(error) from error


def _apply(
    connection: psycopg2.extensions.connection, known: dict[int, tuple[str, str]]
) -> list[str]:
    connection.autocommit = True
    applied: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        _check_schema(cursor)
        _make_list(cursor)
        done = applied_migrations(cursor)
        if problem := too_new(done, frozenset(known)):
            raise SchemaTooNewError(problem)
        for number, (name, sql) in known.items():
            if number in done:
                continue
            _patiently(cursor, number, name, sql)
            applied.append(name)
        roles.prepare(cursor)
    return applied


def applied_migrations(cursor: psycopg2.extensions.cursor) -> dict[int, int]:
    """Return the migrations of a database: for each the last one that services have to know."""
    # A database of before has no such column.
    cursor.execute(
        "SELECT number, coalesce((to_jsonb(m) ->> 'runs_with')::integer, number) "
        "FROM schema_migration AS m ORDER BY number"
    )
    return dict(cursor.fetchall())


def too_new(applied: dict[int, int], known: frozenset[int]) -> str | None:
    """Return why services that know these migrations cannot run with a newer schema. Pure."""
    newer = applied.keys() - known
    needed = max((applied[number] for number in newer), default=0)
    if needed <= max(known):
        return None
    return (
        f"the schema is newer than this version of EventIndex (migration {max(newer)}, which needs "
        f"services that know migration {needed}; this one knows up to {max(known)})"
    )


def _make_list(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration ("
        "number integer PRIMARY KEY, name text NOT NULL, "
        "applied timestamptz NOT NULL DEFAULT now(), runs_with integer)"
    )
    cursor.execute(
        "SELECT FROM pg_attribute WHERE attrelid = 'schema_migration'::regclass "
        "AND attname = 'runs_with'"
    )
    if not cursor.rowcount:
        cursor.execute("ALTER TABLE schema_migration ADD COLUMN runs_with integer")


def _patiently(cursor: psycopg2.extensions.cursor, number: int, name: str, sql: str) -> None:
    """Apply a migration, again where it did not get its locks in time."""

    def say(state: RetryCallState) -> None:
        log.warning("%s waits for a lock, attempt %d", name, state.attempt_number)

    Retrying(
        retry=retry_if_exception_type(psycopg2.errors.LockNotAvailable),
        wait=wait_random(_PAUSE_S_MIN, _PAUSE_S_MAX),
        stop=stop_after_delay(_PATIENCE_S_MAX),
        before_sleep=say,
        reraise=True,
    )(_apply_one, cursor, number, name, sql)


def _apply_one(cursor: psycopg2.extensions.cursor, number: int, name: str, sql: str) -> None:
    found = _RUNS_WITH.search(sql)
    row = (number, name, int(found[1]) if found else None)
    concurrently = _CONCURRENTLY.search(sql) is not None
    if concurrently:
        _make_index(cursor, sql)
    cursor.execute("BEGIN")
    try:
        if not concurrently:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", (str(_LOCK_TIMEOUT_MS),))
            for statement in sql_statements(sql):
                cursor.execute(statement)
        cursor.execute(
            "INSERT INTO schema_migration (number, name, runs_with) VALUES (%s, %s, %s)", row
        )
        cursor.execute("COMMIT")
    except psycopg2.Error:
        if not cursor.connection.closed:
            cursor.execute("ROLLBACK")
        raise


def _make_index(cursor: psycopg2.extensions.cursor, sql: str) -> None:
    """Make an index while others write; what an attempt that failed left behind goes first."""
    index = _INDEX.search(sql)
    if index is None:
        raise StoreError("-- concurrently: CREATE INDEX CONCURRENTLY IF NOT EXISTS is missing")
    cursor.execute(
        "SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid", (index[1],)
    )
    if cursor.rowcount:
        cursor.execute(f"DROP INDEX CONCURRENTLY {index[1]}")
    cursor.execute(sql)


def _check_schema(cursor: psycopg2.extensions.cursor) -> None:
    """See that no second index is made beside one that this search_path does not find."""
    cursor.execute(
        "SELECT to_regclass('event_page') IS NOT NULL, min(relnamespace::regnamespace::text) "
        "FROM pg_class WHERE relname = 'event_page' AND relkind IN ('r', 'p')"
    )
    found, schema = fetch_one(cursor)
    if not found and schema is not None:
        raise UnusableDatabaseError(other_schema(schema))
