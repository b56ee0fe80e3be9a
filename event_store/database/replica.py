"""How far a replica is behind its primary, and whether it has what was acknowledged already."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from event_store.database.commit_tokens import CommitToken
from event_store.database.connection import Connection, fetch_one

# A replica that has all that came shows the age of the last transaction as long as nothing new
# comes, so its age alone says nothing.
_STATE = (
    "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() "
    "AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver), false), "
    "extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
)
_REACHED = (
    "SELECT position <= CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
    "ELSE pg_current_wal_insert_lsn() END FROM unnest(%s::pg_lsn[]) AS asked (position)"
)


def system_of(connection: Connection) -> str:
    """Return the identifier that a primary and its replicas share; of a connection in use."""
    return connection.server.partition("/")[0]


def reached(connection: Connection, tokens: Sequence[CommitToken]) -> list[bool]:
    """Return which positions the server behind a connection has reached.

    Raises:
        StoreUnavailableError: it does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REACHED, ([token.position for token in tokens],))
        return [bool(there) for (there,) in cursor.fetchall()]


class ReplicaLag:
    """How far a replica is behind, by looking at it again and again. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._server = ""
        self._caught_up: float | None = None

    def read(self, connection: Connection) -> float:
        """Return how far the server behind a connection is behind, seconds; 0 of a primary.

        Raises:
            StoreUnavailableError: it does not answer.
        """
        with connection.cursor() as cursor:
            cursor.execute(_STATE)
            in_recovery, caught_up, age_s = fetch_one(cursor)
        if connection.server != self._server:
            self._server, self._caught_up = connection.server, None
        return self.of(caught_up=caught_up or not in_recovery, age_s=age_s)

    def of(self, *, caught_up: bool, age_s: float | None) -> float:
        """Return the lag: the age of what was replayed last, but not longer than it is behind."""
        now = self._clock()
        if caught_up:
            self._caught_up = now
            return 0.0
        if self._caught_up is None and age_s is None:
            self._caught_up = now
        behind_s = float("inf") if self._caught_up is None else now - self._caught_up
        return max(0.0, min(behind_s, float("inf") if age_s is None else age_s))
