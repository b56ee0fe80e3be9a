"""Remembers in the database that the broker kept this client's session. For one thread."""

from __future__ import annotations

from urllib.parse import urlsplit

from event_store.database.connection import Connection
from event_store.write.broker_session import KnownSession, note_session
from service_kit.settings import Settings


class SessionMemory:
    """The memory of one client id; connects for each note."""

    def __init__(self, settings: Settings) -> None:
        self._client_id = settings.mqtt_client_id
        # Leave out user and password.
        self._broker = urlsplit(settings.mqtt_url.get_secret_value()).netloc.rpartition("@")[2]
        self._connection = Connection(
            settings.database_url.get_secret_value(),
            settings.store_options,
            autocommit=False,
            name="eventindex ingest_service bridge",
        )

    def note(self, *, kept: bool) -> KnownSession | None:
        """Remember whether the broker keeps the session; what was known before.

        Raises:
            StoreUnavailableError: try again.
        """
        try:
            return note_session(self._connection, self._client_id, self._broker, kept=kept)
        finally:
            self._connection.close()
