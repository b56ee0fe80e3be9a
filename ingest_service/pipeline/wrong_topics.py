"""How many dead letters of wrong topics are kept: one sender must not take the room of all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from event_store.model import DeadLetter
from ingest_service.model import Reason

log = logging.getLogger(__name__)

_HOUR_S = 3600.0


class WrongTopics:
    """Counts the letters of an hour. For one thread."""

    def __init__(self, letters_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._letters_max = letters_max
        self._clock = clock
        self._since = clock()
        self._kept = 0
        self._told = False

    def admit(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Return the letters without those of wrong topics that are too many."""
        if not any(letter.reason == Reason.BAD_TOPIC for letter in letters):
            return letters
        if self._clock() - self._since >= _HOUR_S:
            self._since, self._kept, self._told = self._clock(), 0, False
        return [
            letter
            for letter in letters
            if letter.reason != Reason.BAD_TOPIC or self._is_kept(letter.topic)
        ]

    def _is_kept(self, topic: str) -> bool:
        if self._kept < self._letters_max:
            self._kept += 1
            return True
        if not self._told:
            self._told = True
            log.warning(
                "%d messages on wrong topics in an hour, such as %a: more are counted alone",
                self._letters_max,
                topic,
            )
        return False
