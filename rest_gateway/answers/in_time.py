"""Events in time: those of runs, spread evenly over the time in which each came. Pure.

The index holds no time of an event; of a run it has when it was first and last added to.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from eventindex.run_results import Run

SECONDS = {"hour": 3600, "day": 86_400}
# About a year of hours.
BINS_MAX = 10_000


class TooManyBinsError(ValueError):
    """The time is too long for bins of this width."""


def spread(runs: Iterable[Run], unit: str) -> dict[datetime.datetime, int]:
    """Return how many events came in each hour or day (UTC), those without any left out.

    Raises:
        TooManyBinsError: more than `BINS_MAX` bins.
    """
    width = SECONDS[unit]
    counts: dict[int, int] = {}
    for run in runs:
        if run.first_seen is None or run.last_seen is None:
            continue
        for start, events in _bins(
            run.first_seen.timestamp(), run.last_seen.timestamp(), run.events, width
        ):
            counts[start] = counts.get(start, 0) + events
        if len(counts) > BINS_MAX:
            raise TooManyBinsError
    return {
        datetime.datetime.fromtimestamp(start, datetime.UTC): counts[start]
        for start in sorted(counts)
    }


def _bins(first: float, last: float, events: int, width: int) -> Iterable[tuple[int, int]]:
    """Yield the bins of a run with its share of events in each; the shares sum to the events."""
    start = int(first // width) * width
    before = 0
    while before < events:
        end = start + width
        share = 1.0 if end > last else (end - first) / (last - first)
        until = events if share >= 1 else int(events * share)
        if until > before:
            yield start, until - before
        before, start = until, end
