"""The bounded queue between the doors and the writer. Pauses the doors, never discards."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingest_service.model import Door, Submission


@dataclass(slots=True)
class Load:
    """What came by one door and is not done with; when the last message came, Unix time."""

    messages: int = 0
    size_bytes: int = 0
    last_message: float = 0.0


@dataclass(slots=True)
class _Arrival:
    """Submissions that came together, and when, by the monotonic clock."""

    at: float
    messages: int


class Intake:
    """Submissions that wait to be stored, bounded in number and bytes.

    What was taken counts until it is released: the bound holds for everything that is in memory.

    Attributes:
        messages_max, bytes_max: the bounds.
    """

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self.messages_max = messages_max
        self.bytes_max = bytes_max
        self._loads = {door: Load() for door in Door}
        # Ascending; what is done with leaves in the order in which it came.
        self._arrivals: deque[_Arrival] = deque()
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
            self._append([submission])
            self._changed.notify()
            return True

    def add(self, submissions: Sequence[Submission]) -> bool:
        """Take submissions in that are in memory already; whether there is room for more."""
        with self._changed:
            self._append(submissions)
            self._changed.notify()
            return self._has_room(0)

    def take_all(self, timeout_s: float) -> deque[Submission]:
        """Return all that waits, after waiting so long for the first (or until `wake`)."""
        with self._changed:
            if not self._items and timeout_s > 0:
                self._changed.wait(timeout_s)
            taken, self._items = self._items, deque()
            return taken

    def release(self, submissions: Sequence[Submission]) -> None:
        """Say that the first ones of those that came are done with."""
        with self._changed:
            for submission in submissions:
                self._messages -= 1
                self._bytes -= submission.size_bytes
                load = self._loads[submission.door]
                load.messages -= 1
                load.size_bytes -= submission.size_bytes
            self._forget_arrivals(len(submissions))
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

    def load(self, door: Door) -> Load:
        """Return what came by a door and is not done with."""
        with self._changed:
            return replace(self._loads[door])

    def oldest_s(self) -> float:
        """Return for how long the oldest is here that is not done with; 0 without one."""
        with self._changed:
            return time.monotonic() - self._arrivals[0].at if self._arrivals else 0.0

    def _append(self, submissions: Sequence[Submission]) -> None:
        if not submissions:
            return
        now = time.time()
        for submission in submissions:
            self._messages += 1
            self._bytes += submission.size_bytes
            load = self._loads[submission.door]
            load.messages += 1
            load.size_bytes += submission.size_bytes
            load.last_message = now
        self._items.extend(submissions)
        self._arrivals.append(_Arrival(time.monotonic(), len(submissions)))

    def _forget_arrivals(self, messages: int) -> None:
        while messages:
            first = self._arrivals[0]
            gone = min(first.messages, messages)
            first.messages -= gone
            messages -= gone
            if not first.messages:
                self._arrivals.popleft()

    def _has_room(self, size_bytes: int) -> bool:
        return self._messages < self.messages_max and self._bytes + size_bytes <= self.bytes_max

    def _is_half_empty(self) -> bool:
        return self._messages * 2 <= self.messages_max and self._bytes * 2 <= self.bytes_max
