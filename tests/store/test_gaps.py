"""Which event numbers of a run are missing."""

from __future__ import annotations

import numpy as np
import pytest

from event_store.model import NUMBER_MAX
from event_store.select.gaps import BINS_MAX, Gaps


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_gaps_are_what_is_missing(batch: int):
    """However its events come, a run's gaps are the numbers between first and last without one."""
    rng = np.random.default_rng(1)
    numbers = np.flatnonzero(rng.random(2000) < 0.7).astype(np.int64) + 10**15
    first, last = int(numbers[0]), int(numbers[-1])

    def counted(gaps_max: int) -> Gaps:
        gaps = Gaps(first, last, gaps_max)
        for at in range(0, len(numbers), batch):
            gaps.add(numbers[at : at + batch])
        return gaps

    found = counted(10_000)
    named = [set(range(a, b + 1)) for a, b in found.widest()]
    assert set().union(*named) == set(range(first, last + 1)) - set(numbers.tolist())
    assert (found.gaps, found.missing) == (len(named), sum(map(len, named)))
    assert [len(gap) for gap in named] == sorted(map(len, named), reverse=True)
    assert sum(part.events for part in found.bins()) == len(numbers) == found.events
    few = counted(3)
    assert (few.widest(), few.gaps) == (found.widest()[:3], found.gaps)
    assert (counted(0).widest(), counted(0).missing) == ([], found.missing)


def test_the_largest_numbers_are_counted_and_later_events_are_not():
    """The whole range of numbers has gaps and parts; what came behind its bounds is left out."""
    gaps = Gaps(0, NUMBER_MAX - 1, 5)
    for events in ([0], [NUMBER_MAX - 1, NUMBER_MAX]):
        gaps.add(np.array(events, np.int64))
    assert (gaps.events, gaps.missing, gaps.gaps) == (2, NUMBER_MAX - 2, 1)
    assert gaps.widest() == [(1, NUMBER_MAX - 2)]
    bins = gaps.bins()
    assert (len(bins), bins[0].first, bins[-1].last) == (BINS_MAX, 0, NUMBER_MAX - 1)
    assert [part.events for part in bins] == [1, *[0] * (BINS_MAX - 2), 1]
