"""Which detectors are silent for longer than they ever were. Remembered over restarts.

A silence is counted while the service is there to hear: not over its own absence. Several services
that share a broker tell each other through the database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import NamedTuple

from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError
from event_store.telescope.heard import DETECTORS_MAX, Heard, note_heard, read_heard

log = logging.getLogger(__name__)

_INTERVAL_S = 5.0
# One that says nothing for so long is gone, and no trouble any more.
_GONE_S = 30 * 86_400.0


class Detector(NamedTuple):
    """A detector as it is now."""

    detector_id: str
    last_heard: float
    longest_silence_s: float
    silent: bool


class Detectors:
    """What was heard of each detector. For any thread."""

    def __init__(self, silence_min_s: float, clock: Callable[[], float] = time.time) -> None:
        self._silence_min_s = silence_min_s
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()
        self._known: dict[str, Heard] = {}
        self._changed: set[str] = set()

    def heard(self, detector_ids: Collection[str]) -> None:
        """Note that messages of detectors came in just now."""
        now = self._clock()
        with self._lock:
            for name in detector_ids:
                before = self._known.get(name)
                if before is None:
                    if len(self._known) >= DETECTORS_MAX:
                        continue
                    before = Heard(name, now, 0.0)
                silence = max(0.0, now - max(before.last_heard, self._started))
                longest = max(before.longest_silence_s, silence)
                self._known[name] = Heard(name, max(now, before.last_heard), longest)
                self._changed.add(name)

    def merge(self, others: Iterable[Heard]) -> None:
        """Take in what the database knows: from before, and from other services."""
        with self._lock:
            for other in others:
                mine = self._known.get(other.detector_id, other)
                self._known[other.detector_id] = Heard(
                    other.detector_id,
                    max(mine.last_heard, other.last_heard),
                    max(mine.longest_silence_s, other.longest_silence_s),
                )

    def take_changed(self) -> list[Heard]:
        """Return what was heard since this was asked last."""
        with self._lock:
            changed = [self._known[name] for name in self._changed]
            self._changed.clear()
            return changed

    def now(self) -> list[Detector]:
        """Return all that were heard in the last 30 days, the last first."""
        now = self._clock()
        with self._lock:
            known = sorted(self._known.values(), key=lambda each: -each.last_heard)
        return [
            Detector(*each, silent=self._is_silent(each, now))
            for each in known
            if now - each.last_heard < _GONE_S
        ]

    def _is_silent(self, heard: Heard, now: float) -> bool:
        """Without a silence before there is nothing to compare with."""
        if not heard.longest_silence_s:
            return False
        silence = now - max(heard.last_heard, self._started)
        return silence > max(heard.longest_silence_s, self._silence_min_s)


async def remember(
    detectors: Detectors, threads: DatabaseThreads, tell: Callable[[int], None]
) -> None:
    """Keep the database and the memory alike until cancelled; tell how many are silent."""
    while True:
        changed = detectors.take_changed()
        try:
            await threads.run(partial(note_heard, heard=changed))
            detectors.merge(await threads.run(read_heard))
        except (StoreUnavailableError, StoreError) as error:
            log.debug("the database does not remember detectors: %s", error)
            detectors.merge(changed)
        tell(sum(each.silent for each in detectors.now()))
        await asyncio.sleep(_INTERVAL_S)
