"""Applies the numbered SQL files in `migrations/`, each in a transaction of its own.

An advisory lock lets one process migrate while the others wait, and PostgreSQL frees it when
that process dies: the reason for not taking a library, whose lock is a row that a kill -9 leaves
behind. Never edits a migration that was applied; add the next number.
"""

from __future__ import annotations

import contextlib
import re
from importlib import resources

import psycopg2
import psycopg2.extensions

from event_store.database import pooler, roles, session
from event_store.database.connection import Connection, StoreOptions, fetch_one
from event_store.database.driver import translate
from event_store.database.sql_script import sql_statements
from event_store.errors import StoreError, UnusableDatabaseError

# Any fixed number that no other program uses on this database.
_LOCK = 0x45764964
_NAME = "eventindex migrate"
_OPTIONS = StoreOptions(connect_timeout_s=10)
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class SchemaTooNewError(StoreError):
    """The database was migrated by a newer version of this software."""


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

    Safe to call twice, and from several processes at once.

    Returns:
        The file names of the migrations that were applied now.

    Raises:
        StoreUnavailableError: no connection, or a database that cannot be used.
        StoreError: the database refuses it, for example for lack of a right.
        SchemaTooNewError: the database is newer than this software.
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
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration ("
            "number integer PRIMARY KEY, name text NOT NULL, "
            "applied timestamptz NOT NULL DEFAULT now())"
        )
        cursor.execute("SELECT number, name FROM schema_migration ORDER BY number")
        done = dict(cursor.fetchall())
        newer = [name for number, name in done.items() if number not in known]
        if newer:
            raise SchemaTooNewError(f"the database has migrations of a newer version: {newer}")
        for number, (name, sql) in known.items():
            if number in done:
                continue
            cursor.execute("BEGIN")
            for statement in sql_statements(sql):
                cursor.execute(statement)
            cursor.execute(
                "INSERT INTO schema_migration (number, name) VALUES (%s, %s)", (number, name)
            )
            cursor.execute("COMMIT")
            applied.append(name)
        roles.prepare(cursor)
    return applied


def _check_schema(cursor: psycopg2.extensions.cursor) -> None:
    """See that no second index is made beside one that this search_path does not find."""
    cursor.execute(
        "SELECT to_regclass('event_page') IS NOT NULL, min(relnamespace::regnamespace::text) "
        "FROM pg_class WHERE relname = 'event_page' AND relkind IN ('r', 'p')"
    )
    found, schema = fetch_one(cursor)
    if not found and schema is not None:
        raise UnusableDatabaseError(other_schema(schema))
