"""Replicas: how far the one that is asked is behind, and answers that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from event_store.database.commit_tokens import CommitToken
from event_store.database.connection import Connection
from event_store.database.replica import ReplicaLag, reached, system_of
from event_store.errors import ReplicaBehindError
from event_store.lookup.batch import Asked
from eventindex.told import told
from service_kit import calls
from service_kit.errors import InvalidRequestError

T = TypeVar("T")

# The answer has to be on its way before the caller gives up.
_ANSWER_S = 0.1
_PAUSE_FIRST_S, _PAUSE_S_MAX = 0.005, 0.1
BEHIND = "the replica does not have yet what commit_token stands for; try again"


class ReplicaWatch:
    """Looks how far the database is behind its primary, beside a probe."""

    def __init__(self, lag_s_max: float, on_lag: Callable[[float], object]) -> None:
        """`lag_s_max`: more is a problem, 0 never; `on_lag` is told each time."""
        self._lag = ReplicaLag()
        self._lag_s_max = lag_s_max
        self._on_lag = on_lag

    def problem(self, connection: Connection) -> str | None:
        """Return that the replica is too far behind, None where it is not."""
        seconds = self._lag.read(connection)
        self._on_lag(seconds)
        if not self._lag_s_max or seconds <= self._lag_s_max:
            return None
        return (
            f"the replica is {seconds:.0f} s behind its primary, more than "
            f"EVENTINDEX_REPLICA_LAG_MAX_S={self._lag_s_max:g}"
        )


async def when_reached(attempt: Callable[[], Awaitable[T]], wait_s_max: float) -> T:
    """Return the answer of the first attempt for which the replica is not behind.

    Raises:
        ReplicaBehindError: it still is at the limit, or shortly before the caller gives up.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + min(wait_s_max, calls.seconds_left() - _ANSWER_S)
    pause = _PAUSE_FIRST_S
    while True:
        try:
            return await attempt()
        except ReplicaBehindError:
            if loop.time() + pause > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _PAUSE_S_MAX)


def not_reached(connection: Connection, asked: Sequence[Asked | Exception]) -> dict[int, Exception]:
    """Return why requests cannot be answered from the server behind a connection, by their place.

    Raises:
        StoreUnavailableError: it does not answer.
    """
    tokens: dict[int, CommitToken] = {
        place: one.commit_token
        for place, one in enumerate(asked)
        if isinstance(one, Asked) and one.commit_token is not None
    }
    if not tokens:
        return {}
    there = reached(connection, list(tokens.values()))
    found: dict[int, Exception] = {}
    for (place, token), has in zip(tokens.items(), there, strict=True):
        if token.system != system_of(connection):
            found[place] = InvalidRequestError(
                told("COMMIT_TOKEN_OF_OTHER_DATABASE", "commit_token is of another database")
            )
        elif not has:
            found[place] = ReplicaBehindError(BEHIND)
    return found
