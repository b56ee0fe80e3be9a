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

from event_store.errors import StoreError, StoreUnavailableError

# Any fixed number that no other program uses on this database.
_LOCK = 0x45764964
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class SchemaTooNewError(StoreError):
    """The database was migrated by a newer version of this software."""


def migrations() -> dict[int, tuple[str, str]]:
    """The migrations of this version: number to (file name, SQL)."""
    found: dict[int, tuple[str, str]] = {}
    for item in resources.files("event_store").joinpath("migrations").iterdir():
        match = _NAME.fullmatch(item.name)
        if match:
            found[int(match[1])] = (item.name, item.read_text("utf-8"))
    return dict(sorted(found.items()))


def migrate(database_url: str) -> list[str]:
    """Bring the database up to this version.

    Safe to call twice, and from several processes at once.

    Returns:
        The file names of the migrations that were applied now.

    Raises:
        StoreUnavailableError: no connection.
        SchemaTooNewError: the database is newer than this software.
    """
    known = migrations()
    try:
        with contextlib.closing(psycopg2.connect(database_url, connect_timeout=10)) as connection:
            return _apply(connection, known)
    except psycopg2.Error as error:
        raise StoreUnavailableError(str(error).strip()) from error


def _apply(
    connection: psycopg2.extensions.connection, known: dict[int, tuple[str, str]]
) -> list[str]:
    connection.autocommit = True
    applied: list[str] = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
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
            cursor.execute(sql)
            cursor.execute(
                "INSERT INTO schema_migration (number, name) VALUES (%s, %s)", (number, name)
            )
            cursor.execute("COMMIT")
            applied.append(name)
    return applied
