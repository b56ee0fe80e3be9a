"""How many of something one caller may have at once. Never waits. Pure but for its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """Counts what each of many callers has at once. For one thread, the event loop's."""

    def __init__(self, places_max: int) -> None:
        self._places_max = places_max
        self._taken: Counter[str] = Counter()

    @contextmanager
    def place(self, name: str) -> Iterator[bool]:
        """Take a place for as long as the context lasts; whether there was one."""
        there = self._taken[name] < self._places_max
        self._taken[name] += there
        try:
            yield there
        finally:
            self._taken[name] -= there
            if not self._taken[name]:
                del self._taken[name]
