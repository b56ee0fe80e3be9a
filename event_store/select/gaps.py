"""Which event numbers of a run are missing: its pages counted one by one, in flat memory."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.model import RAW, Int64
from event_store.pages.copy import ScannedPage
from event_store.pages.format import SLOT_BITS, page_slots
from event_store.select.existence import require_run

BINS_MAX = 100


class Bin(NamedTuple):
    """A part of the event numbers, `first` to `last`, and how many of them are there."""

    first: int
    last: int
    events: int


def read_bounds(cursor: Cursor, run_number: int, collection: int = RAW) -> tuple[int, int]:
    """Return the first and the last event of a run in a collection.

    Raises:
        NotFoundError: it holds none.
    """
    require_run(cursor, run_number, collection)
    cursor.execute(
        "SELECT first_event, last_event FROM run WHERE run_number = %s AND collection_id = %s",
        (run_number, collection),
    )
    first, last = fetch_one(cursor)
    return first, last


class Gaps:
    """Counts what is missing between two events, from pages or numbers in ascending order.

    Attributes:
        events, missing, gaps: how many events, missing numbers and gaps there are so far.
    """

    def __init__(self, first: int, last: int, gaps_max: int) -> None:
        """Look at the numbers `first` to `last`; keep the `gaps_max` widest gaps."""
        self._first, self._last, self._gaps_max = first, last, gaps_max
        self._width = (last - first) // BINS_MAX + 1
        self._bins = np.zeros((last - first) // self._width + 1, np.int64)
        self._before: Int64 = np.empty(0, np.int64)
        self._widest: list[tuple[int, int]] = []
        self.events = self.missing = self.gaps = 0

    def add_pages(self, pages: Sequence[ScannedPage]) -> None:
        """Count the next pages of the run."""
        events = [
            (one.page_no << SLOT_BITS) + page_slots(one.page).astype(np.int64) for one in pages
        ]
        self.add(np.concatenate(events))

    def add(self, numbers: Int64) -> None:
        """Count the next events of the run."""
        # Others may have come since its bounds were read.
        known = numbers[(numbers >= self._first) & (numbers <= self._last)]
        self._bins += np.bincount((known - self._first) // self._width, minlength=len(self._bins))
        self.events += len(known)
        steps = np.concatenate((self._before, known))
        missing = np.diff(steps) - 1
        places = np.flatnonzero(missing)
        self.gaps += len(places)
        self.missing += int(missing[places].sum())
        if len(places) > self._gaps_max:
            places = places[np.argsort(-missing[places], kind="stable")[: self._gaps_max]]
        found = [(int(missing[place]), int(steps[place]) + 1) for place in places]
        self._widest = heapq.nsmallest(
            self._gaps_max, [*self._widest, *found], key=lambda gap: (-gap[0], gap[1])
        )
        self._before = steps[-1:]

    def widest(self) -> list[tuple[int, int]]:
        """Return the first and the last number of the widest gaps, the widest first."""
        return [(first, first + missing - 1) for missing, first in self._widest]

    def bins(self) -> list[Bin]:
        """Return the range in equal parts."""
        firsts = range(self._first, self._last + 1, self._width)
        return [
            Bin(first, min(first + self._width - 1, self._last), events)
            for first, events in zip(firsts, self._bins.tolist(), strict=True)
        ]
