"""What a telescope's Timestamp means: the seconds since its epoch as Unix time, and whether a clock
that runs right can have said so. Pure but for the time of day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from event_store.model import UNIX_MAX_S, UNIX_MIN_S
from eventindex.told import told
from ingest_service.model import ClockProblem, Reason, RefusedError

_DAY_S = 86_400
# A telescope's clock may show local time, up to a day ahead of UTC.
AHEAD_MAX_S = _DAY_S


class Reading(NamedTuple):
    """A time, Unix seconds, and what is doubtful about it: "" or a `ClockProblem`."""

    unix_seconds: int
    problem: str


class Clocks:
    """The clocks of all detectors. For any thread."""

    def __init__(
        self,
        epoch: date,
        epochs: Mapping[str, date] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`epochs` has the detectors that do not count from `epoch`; `now` gives Unix seconds."""
        self._epoch_s = _unix_seconds(epoch)
        self._epochs_s = {detector: _unix_seconds(day) for detector, day in (epochs or {}).items()}
        self._now = now

    def read(self, detector_id: str, timestamp: int) -> Reading:
        """Return the time of a record.

        Raises:
            RefusedError: it is not in the years 1 to 9999.
        """
        seconds = timestamp + self._epochs_s.get(detector_id, self._epoch_s)
        if not UNIX_MIN_S <= seconds <= UNIX_MAX_S:
            raise RefusedError(
                Reason.OUT_OF_RANGE,
                told(
                    "TIMESTAMP_OUT_OF_RANGE",
                    "Timestamp is {value}, not in the years 1 to 9999",
                    value=timestamp,
                ),
            )
        if 0 <= timestamp < _DAY_S:
            return Reading(seconds, ClockProblem.NEVER_SET)
        ahead = seconds > self._now() + AHEAD_MAX_S
        return Reading(seconds, ClockProblem.AHEAD if ahead else "")


def _unix_seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
