"""For how long the writer has worked: decoded, stored, acknowledged, not waited for messages."""

from __future__ import annotations

import threading
import time


class BusyClock:
    """Runs while the writer works, also while others read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total_s = 0.0
        self._since: float | None = None

    def work(self) -> None:
        """Note that the writer has something to do."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()

    def rest(self) -> None:
        """Note that it waits for messages."""
        with self._lock:
            self._total_s, self._since = self._seconds(), None

    def seconds(self) -> float:
        """Return how long it has worked, up to now."""
        with self._lock:
            return self._seconds()

    def _seconds(self) -> float:
        return self._total_s + (0.0 if self._since is None else time.monotonic() - self._since)
