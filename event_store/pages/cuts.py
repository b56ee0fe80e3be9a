"""Where pages begin among sorted events. Pure."""

from __future__ import annotations

import numpy as np

from event_store.arrays import Places, starts
from event_store.model import Int64
from event_store.pages.format import SLOT_BITS

_EVENTS_PER_PAGE_DENSE = 64


def page_starts(events: Int64) -> Places:
    """Return where each page begins among ascending events."""
    if not len(events):
        return np.empty(0, np.intp)
    first, last = int(events[0]) >> SLOT_BITS, int(events[-1]) >> SLOT_BITS
    if last - first > len(events) // _EVENTS_PER_PAGE_DENSE:
        return starts(events >> SLOT_BITS)
    # Many events a page: finding the borders takes a few steps each, whatever lies between.
    borders = np.arange(first, last + 1, dtype=np.int64) << SLOT_BITS
    at = np.searchsorted(events, borders)
    there = np.empty(len(at), bool)
    there[-1] = True
    np.not_equal(at[1:], at[:-1], out=there[:-1])
    return at[there]


def page_starts_of_runs(runs: Int64, events: Int64) -> Places:
    """Return where each page begins among the ascending events of ascending runs."""
    if not len(runs) or runs[0] == runs[-1]:
        return page_starts(events)
    pages = events >> SLOT_BITS
    cuts = np.flatnonzero((runs[1:] != runs[:-1]) | (pages[1:] != pages[:-1])) + 1
    return np.concatenate([np.zeros(1, np.intp), cuts])
