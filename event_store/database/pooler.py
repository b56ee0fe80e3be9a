"""Whether a pooler between us and PostgreSQL leaves each connection its session.

Prepared statements, settings and the locks of transactions that follow each other belong to a
session. A pooler that gives each transaction another backend takes them away, without a word.
"""

from __future__ import annotations

import contextlib

from event_store.database.connection import Connection, fetch_one
from event_store.errors import UnusableDatabaseError

# With others at work on the pooler one look might miss it.
_LOOKS = 5


def check(connection: Connection) -> None:
    """See that the connection has a session of its own.

    Raises:
        UnusableDatabaseError: a pooler shares backends between sessions.
        StoreUnavailableError: the database does not answer.
    """
    if not connection.is_pooled():
        return
    with contextlib.closing(connection.twin()) as one, contextlib.closing(connection.twin()) as two:
        backends = [(_backend(one), _backend(two)) for _ in range(_LOOKS)]
    # Both are open all the time: two sessions have two backends, and keep them.
    if len(set(backends)) > 1 or backends[0][0] == backends[0][1]:
        raise UnusableDatabaseError(
            "a pooler in transaction or statement mode stands before it, and the service needs "
            "sessions of its own: set pool_mode=session, or take the database's own address"
        )


def _backend(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(fetch_one(cursor)[0])
