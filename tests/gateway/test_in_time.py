"""Events in time: where the events of a run go, and the call over real services."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventindex.run_results import Run
from rest_gateway.answers.in_time import TooManyBinsError, spread

UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 29, 12, tzinfo=UTC)


def run_of(events: int, first: datetime.datetime, last: datetime.datetime) -> Run:
    """A run that was added to from one time to another."""
    return Run(1, events, 0, events, 1, 0, first, last, "", "raw")


def test_the_events_of_a_run_are_spread_over_its_time():
    """Half of a run that grew from 12:30 to 13:30 is in each of the two hours."""
    half = datetime.timedelta(minutes=30)
    found = spread([run_of(100, NOON + half, NOON + 3 * half)], "hour")
    assert found == {NOON: 50, NOON + 2 * half: 50}
    day = NOON.replace(hour=0)
    assert spread([run_of(100, NOON, NOON), run_of(7, NOON, NOON + half)], "day") == {day: 107}


@given(
    events=st.integers(0, 10**12),
    start=st.integers(0, 10**9),
    seconds=st.integers(0, 10**6),
    unit=st.sampled_from(["hour", "day"]),
)
def test_no_event_is_lost_or_made(events, start, seconds, unit):
    """The hours or days of a run have all of its events, none before it or after."""
    first = datetime.datetime.fromtimestamp(start, UTC)
    last = first + datetime.timedelta(seconds=seconds)
    found = spread([run_of(events, first, last)], unit)
    assert sum(found.values()) == events
    assert all(count > 0 for count in found.values())
    width = datetime.timedelta(**{f"{unit}s": 1})
    assert all(first - width < time <= last for time in found)


def test_too_long_a_time_is_refused():
    """More hours than anybody looks at are an error, not a page without an end."""
    with pytest.raises(TooManyBinsError):
        spread([run_of(10**9, NOON, NOON + datetime.timedelta(days=3000))], "hour")


def test_the_samples_came_today(http):
    """The call tells all events of the catalogue by the day in which they came in."""
    found = http.get("/api/v1/in-time").json()
    runs = http.get("/api/v1/runs?page_size=1000").json()["runs"]
    assert found["by"] == "day"
    assert found["total"] == sum(run["events"] for run in runs) > 0
    assert sum(each["events"] for each in found["counts"]) == found["total"]
    one = http.get("/api/v1/in-time?by=hour&run_first=2&run_last=2").json()
    assert one["total"] == 30
    assert len(one["counts"]) in {1, 2}
    wrong = http.get("/api/v1/in-time?by=week").json()
    assert wrong["detail"] == "by is week: none of hour, day"
