"""The bounded queue between the doors and the writer. Pauses the doors, never discards."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from ingest_service.model import Submission


class Intake:
    """Submissions that wait to be stored, bounded in number and bytes.

    What was taken counts until it is released: the bound holds for everything that is in memory.
    """

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._items: deque[Submission] = deque()
        self._messages = 0
        self._bytes = 0
        self._room_callbacks: list[Callable[[], None]] = []
        self._changed = threading.Condition()

    def offer(self, submission: Submission) -> bool:
        """Take a submission in, or return False when there is no room for it."""
        with self._changed:
            if self._messages and not self._has_room(submission.size_bytes):
                return False
            self._append(submission)
            self._changed.notify()
            return True

    def add(self, submissions: Sequence[Submission]) -> bool:
        """Take submissions in that are in memory already; whether there is room for more."""
        with self._changed:
            for submission in submissions:
                self._append(submission)
            self._changed.notify()
            return self._has_room(0)

    def take_all(self, timeout_s: float) -> deque[Submission]:
        """Return all that waits, after waiting so long for the first (or until `wake`)."""
        with self._changed:
            if not self._items and timeout_s > 0:
                self._changed.wait(timeout_s)
            taken, self._items = self._items, deque()
            return taken

    def release(self, messages: int, size_bytes: int) -> None:
        """Say that so much of what was taken is done with."""
        with self._changed:
            self._messages -= messages
            self._bytes -= size_bytes
            callbacks = self._room_callbacks if self._is_half_empty() else []
            if callbacks:
                self._room_callbacks = []
        for callback in callbacks:
            callback()

    def when_half_empty(self, callback: Callable[[], None]) -> None:
        """Call back once, from any thread, as soon as half of the queue is free."""
        with self._changed:
            if not self._is_half_empty():
                self._room_callbacks.append(callback)
                return
        callback()

    def wake(self) -> None:
        """Let a waiting `take_all` return."""
        with self._changed:
            self._changed.notify_all()

    def _append(self, submission: Submission) -> None:
        self._messages += 1
        self._bytes += submission.size_bytes
        self._items.append(submission)

    def _has_room(self, size_bytes: int) -> bool:
        return self._messages < self._messages_max and self._bytes + size_bytes <= self._bytes_max

    def _is_half_empty(self) -> bool:
        return self._messages * 2 <= self._messages_max and self._bytes * 2 <= self._bytes_max
