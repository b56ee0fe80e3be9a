"""The thread that ends calls of the database which nothing else would end."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Protocol


class Watched(Protocol):
    """A connection that may be in a call."""

    def abort_if_stalled(self, now: float) -> None:
        """End the call if it has taken too long."""


class Watchdog:
    """Looks once a second for calls that no keepalive and no statement timeout ends.

    A link that still acknowledges TCP and answers nothing holds libpq for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def watch(self, connection: Watched) -> None:
        """Watch a connection for as long as it lives."""
        with self._lock:
            self._connections.add(connection)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="database-watchdog", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(1.0)
            with self._lock:
                connections = list(self._connections)
            now = time.monotonic()
            for connection in connections:
                connection.abort_if_stalled(now)


watchdog = Watchdog()
