"""What psycopg2 raises, in the store's own errors. The one place that knows both. No I/O."""

from __future__ import annotations

import psycopg2

from event_store.database.sqlstate import Meaning, meaning
from event_store.errors import (
    CorruptPageError,
    StoreError,
    StoreUnavailableError,
    UnansweredError,
)

# undefined_table, undefined_column, undefined_function
_OTHER_SCHEMA = frozenset({"42P01", "42703", "42883"})
# feature_not_supported is also what PostgreSQL says of a prepared statement whose columns have
# changed under it; the next session prepares it anew.
_PLAN_OUTDATED = "0A000"
# The server gave this very request up: idle_in_transaction_session_timeout, transaction_timeout,
# lock_not_available (somebody holds its run), query_canceled. So it may be with a connection that
# broke, which has no SQLSTATE.
_GIVEN_UP = frozenset({"25P03", "25P04", "55P03", "57014"})


def meaning_of(error: psycopg2.Error) -> Meaning:
    """Return what an error means; the driver has no SQLSTATE for a connection that broke."""
    if error.pgcode:
        return meaning(error.pgcode)
    lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return Meaning.AWAY if lost or type(error) is psycopg2.DatabaseError else Meaning.REFUSED


def translate(error: psycopg2.Error) -> Exception:
    """Return what the store says for an error of the driver."""
    what = f"{error.pgcode or type(error).__name__}: {first_line(error)}"
    match meaning_of(error):
        case Meaning.AWAY | Meaning.BUSY:
            given_up = not error.pgcode or error.pgcode in _GIVEN_UP
            return (UnansweredError if given_up else StoreUnavailableError)(what)
        case Meaning.DAMAGED:
            return CorruptPageError(f"damaged storage: {what}")
    if error.pgcode in _OTHER_SCHEMA:
        return StoreError(f"{what}: run `eventindex migrate`")
    return StoreError(f"the database refused the statement or its values: {what}")


def ends_session(error: psycopg2.Error) -> bool:
    """Return whether the session is of no more use behind an error."""
    return meaning_of(error) is Meaning.AWAY or error.pgcode == _PLAN_OUTDATED


def first_line(error: psycopg2.Error) -> str:
    """Return what the driver said, without the statement and its place."""
    return str(error).strip().split("\n", maxsplit=1)[0]
