"""Connections of the tests, and what libpq would read for itself."""

from __future__ import annotations

from event_store.database.connection import Connection, StoreOptions

PG_VARIABLES = {
    "PGOPTIONS": "-c search_path=nowhere -c statement_timeout=1",
    "PGSERVICE": "of_somebody_else",
    "PGSSLMODE": "require",
    "PGCLIENTENCODING": "LATIN1",
    "PGTARGETSESSIONATTRS": "standby",
    "PGHOST": "127.0.0.2",
    "PGHOSTADDR": "127.0.0.2",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "nowhere",
    "PGPASSFILE": "/nowhere",
    "PGPASSWORD": "wrong",
    "PGAPPNAME": "psql",
    "PGTZ": "Asia/Novosibirsk",
    "PGDATESTYLE": "SQL, DMY",
    "PGREQUIREAUTH": "gss",
}


def opened(url: str, *, autocommit: bool = True) -> Connection:
    return Connection(url, StoreOptions(), autocommit=autocommit, name="test")
