"""Looks after calls of a database from outside: a link that is silent ends none by itself."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Protocol


class Watched(Protocol):
    """A connection that may be silent."""

    def abort_if_stalled(self, now: float) -> None:
        """Cut a call that has been silent for too long (any thread)."""


class _Watchdog:
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


watch = _Watchdog().watch
