"""Which sessions a broker kept for this service, over restarts."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from event_store.database.connection import Connection


class KnownSession(NamedTuple):
    """A session that a broker kept when this service last looked."""

    broker: str
    seen: datetime


def note_session(
    connection: Connection, client_id: str, broker: str, *, kept: bool
) -> KnownSession | None:
    """Remember that the broker keeps the client's session, or that it does not.

    Returns:
        What was known before; None for a client id that had no session.

    Raises:
        StoreUnavailableError: try again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT broker, seen FROM broker_session WHERE client_id = %s FOR UPDATE", (client_id,)
        )
        row = cursor.fetchone()
        if kept:
            cursor.execute(
                "INSERT INTO broker_session (client_id, broker) VALUES (%s, %s) "
                "ON CONFLICT (client_id) DO UPDATE "
                "SET broker = excluded.broker, seen = excluded.seen",
                (client_id, broker),
            )
        else:
            cursor.execute("DELETE FROM broker_session WHERE client_id = %s", (client_id,))
    return None if row is None else KnownSession(*row)
