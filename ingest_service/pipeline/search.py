"""A batch is stored; where the database takes everything but that, what of it cannot be is found.

By halving, first between messages, then between the events of one. Pure but for the attempts,
which somebody else makes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from event_store.model import Outcome, UInt8
from ingest_service.model import Taken

log = logging.getLogger(__name__)

# One more outcome, beside the store's own.
CANNOT_STORE = len(Outcome)
# A batch, or a single event, that failed this often is not tried again.
FAILURES_MAX = 3
# Everything else waits while we search. After this time, and after enough failures to find one bad
# event among 100,000, a part that still fails is refused whole.
SEARCH_S_MAX = 60.0
SEARCH_FAILURES_MIN = 40


class CannotStoreError(Exception):
    """The database does everything else, and not this."""


# Stores items, giving up after a number of failures; returns an outcome for each of their events.
Attempt = Callable[[Sequence[Taken], int], UInt8]


def store_what_can_be(items: Sequence[Taken], attempt: Attempt) -> UInt8:
    """Store items; the outcome of each of their events in one row, `CANNOT_STORE` among them.

    Args:
        items: with one event each at least.
        attempt: raises CannotStoreError.
    """
    return _Search(attempt).store(items, FAILURES_MAX) if items else np.empty(0, np.uint8)


class _Search:
    """The halving of one batch."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._began = time.monotonic()
        self._failures = 0

    def store(self, items: Sequence[Taken], failures_max: int) -> UInt8:
        try:
            return self._attempt(items, failures_max)
        except CannotStoreError as error:
            self._failures += 1
            if is_one_event(items) or self._is_over():
                return _refused(items, error)
            if self._failures == 1:
                self._began = time.monotonic()
                log.warning("a batch cannot be stored; looking for what of it: %s", error.__cause__)
        # Not inside the handler: the error would keep its frames, and what they hold, alive.
        return np.concatenate(
            [self.store(half, FAILURES_MAX if is_one_event(half) else 1) for half in halves(items)]
        )

    def _is_over(self) -> bool:
        elapsed_s = time.monotonic() - self._began
        return self._failures >= SEARCH_FAILURES_MIN and elapsed_s > SEARCH_S_MAX


def is_one_event(items: Sequence[Taken]) -> bool:
    """Return whether there is nothing to halve."""
    return len(items) == 1 and len(items[0].decoded.runs) == 1


def halves(items: Sequence[Taken]) -> tuple[Sequence[Taken], Sequence[Taken]]:
    """Cut items in two, between messages where there are several."""
    middle = len(items) // 2
    if middle:
        return items[:middle], items[middle:]
    (item,) = items
    middle, end = len(item.decoded.runs) // 2, len(item.decoded.runs)
    first, last = item.decoded.part(0, middle), item.decoded.part(middle, end)
    return [Taken(item.submission, first)], [Taken(item.submission, last)]


def _refused(items: Sequence[Taken], error: CannotStoreError) -> UInt8:
    for item in items:
        log.error(
            "%d events from %r cannot be stored: %s",
            *(len(item.decoded.runs), item.submission.source, error.__cause__),
            exc_info=error.__cause__,
        )
    return np.full(sum(len(item.decoded.runs) for item in items), CANNOT_STORE, np.uint8)
