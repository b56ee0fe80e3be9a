"""The roles of the services: made, and given their rights, whenever a database is migrated.

They cannot log in: whoever runs the services grants them to roles that can. To make them takes the
right to make roles; where the owner has none, somebody else makes them, and the next migration
gives them their rights.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.database.rights import (
    COLUMN_RIGHTS,
    GATEWAY_RIGHTS,
    MIGRATIONS,
    READ,
    READER_RIGHTS,
    TOKEN_FUNCTIONS,
    VIEWS,
    WRITER_RIGHTS,
    Rights,
)

log = logging.getLogger(__name__)

INGEST_ROLE = "eventindex_ingest"
INDEX_ROLE = "eventindex_index"
GATEWAY_ROLE = "eventindex_gateway"
_ROLES: Mapping[str, Rights] = {
    INGEST_ROLE: WRITER_RIGHTS,
    INDEX_ROLE: READER_RIGHTS,
    GATEWAY_ROLE: GATEWAY_RIGHTS,
}


def prepare(cursor: Cursor) -> None:
    """Make the roles that are missing, and give each exactly the rights of its service.

    Where the tables are another's the rights stay as they are.
    """
    cursor.execute("SELECT current_schema()")
    [schema] = fetch_one(cursor)
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (list(_ROLES),))
    there = {name for (name,) in cursor.fetchall()}
    for role in _ROLES:
        if role not in there and _make(cursor, role):
            there.add(role)
    statements = [_statement("REVOKE CREATE ON SCHEMA {} FROM PUBLIC", schema)]
    for role in sorted(there):
        statements += _grants(role, _ROLES[role], schema)
    cursor.execute("BEGIN")
    try:
        cursor.execute(sql.SQL("; ").join(statements))
    except psycopg2.errors.InsufficientPrivilege as error:
        cursor.execute("ROLLBACK")
        log.warning("the rights of the services' roles stay as they are: %s", error)
        return
    cursor.execute("COMMIT")


def _make(cursor: Cursor, role: str) -> bool:
    """Make a role; whether it is there."""
    try:
        cursor.execute(_statement("CREATE ROLE {} NOLOGIN", role))
    except psycopg2.errors.InsufficientPrivilege:
        log.warning(
            "the owner may not make roles: CREATE ROLE %s NOLOGIN as another, and migrate again",
            role,
        )
        return False
    except (psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
        pass  # another database of this server is migrated at this moment
    return True


def _grants(role: str, rights: Rights, schema: str) -> Iterator[sql.Composable]:
    yield _statement("GRANT USAGE ON SCHEMA {} TO {}", schema, role)
    yield _statement("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}", schema, role)
    for table, names in {MIGRATIONS: READ, **rights}.items():
        columns_of = COLUMN_RIGHTS.get(table, {})
        whole = [name for name in names if name not in columns_of]
        if whole:
            yield _grant(sql.SQL(", ").join(map(sql.SQL, whole)), table, role)
        for name, columns in columns_of.items():
            listed = sql.SQL(", ").join(map(sql.Identifier, columns))
            yield _grant(sql.SQL(name + " ({})").format(listed), table, role)
    if rights is READER_RIGHTS:
        for view in VIEWS:
            yield _grant(sql.SQL("SELECT"), view, role)
    for function in TOKEN_FUNCTIONS:
        yield sql.SQL(f"GRANT EXECUTE ON FUNCTION {function} TO {{}}").format(sql.Identifier(role))


def _grant(rights: sql.Composable, table: str, role: str) -> sql.Composable:
    return sql.SQL("GRANT {} ON {} TO {}").format(
        rights, sql.Identifier(table), sql.Identifier(role)
    )


def _statement(text: str, *names: str) -> sql.Composable:
    return sql.SQL(text).format(*map(sql.Identifier, names))
