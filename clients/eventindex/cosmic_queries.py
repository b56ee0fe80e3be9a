"""Telescope events, as methods of the client."""

from __future__ import annotations

import datetime
from collections.abc import Generator
from typing import TypedDict, Unpack

from google.protobuf.timestamp_pb2 import Timestamp

from eventindex.catalogue_results import (
    CosmicCountBy,
    CosmicCounts,
    CosmicEvent,
    to_cosmic_counts,
    to_cosmic_event,
)
from eventindex.connection import Connection
from eventindex.limits import NUMBER_MAX
from eventindex.selection import Range, bounds, checked_fuid, checked_number, run_bounds
from eventindex.v1 import lookup_pb2

_WIRE_COUNT_BY = {
    CosmicCountBy.RUN: lookup_pb2.COSMIC_COUNT_BY_RUN,
    CosmicCountBy.BLOCK: lookup_pb2.COSMIC_COUNT_BY_BLOCK,
    CosmicCountBy.HOUR: lookup_pb2.COSMIC_COUNT_BY_HOUR,
    CosmicCountBy.DETECTOR: lookup_pb2.COSMIC_COUNT_BY_DETECTOR,
}


class CosmicArguments(TypedDict, total=False):
    """Which telescope events; what is left out does not restrict.

    run: one run. runs, events: (first, last), inclusive, either may be None. times: (first, last)
    with a time zone, inclusive. detector_id: one telescope.
    """

    run: int | None
    runs: Range | None
    events: Range | None
    times: tuple[datetime.datetime | None, datetime.datetime | None] | None
    detector_id: str | None


class CosmicQueries(Connection):
    """Reads and counts telescope records."""

    def cosmic_events(
        self,
        *,
        events_max: int = 0,
        timeout: float | None = None,
        **selection: Unpack[CosmicArguments],
    ) -> Generator[CosmicEvent, None, None]:
        """Yield full telescope records. A stream that breaks in between ends in an error.

        Args:
            events_max: stop after so many events; 0 is no limit.
            timeout: longest wait for the next events, seconds.
            **selection: which events, see `CosmicArguments`.

        Raises:
            ValueError: an argument that makes no sense, at once.
            NotFoundError: the run is not in the index.
            UnavailableError: the server went away.
        """
        request = _cosmic_request(selection)
        request.events_max = checked_number(events_max, "events_max", NUMBER_MAX)
        messages = self._download(
            lambda: self._index.GetCosmicEvents(request), timeout, resumes=False
        )
        return (to_cosmic_event(event) for message in messages for event in message.events)

    def count_cosmic_events(
        self,
        *,
        by: CosmicCountBy | str | None = None,
        timeout: float | None = None,
        **selection: Unpack[CosmicArguments],
    ) -> CosmicCounts:
        """Count telescope events: in all, and by run, block, hour (UTC) or detector."""
        request = lookup_pb2.CountCosmicEventsRequest(
            selection=_cosmic_request(selection),
            by=None if by is None else _WIRE_COUNT_BY[CosmicCountBy(by)],
        )
        return to_cosmic_counts(self._unary(self._index.CountCosmicEvents, request, timeout))

    def read_raw_file(
        self, fuid_raw: str, *, timeout: float | None = None
    ) -> Generator[str, None, None]:
        """Yield the lines of a telescope's RAW file, JSON, in ascending event number.

        Raises:
            NotFoundError: the index has no telescope record of this file.
            UnavailableError: the server went away in between; the lines so far are not all.
        """
        request = lookup_pb2.ReadRawFileRequest(fuid_raw=checked_fuid(fuid_raw))
        messages = self._download(lambda: self._index.ReadRawFile(request), timeout, resumes=False)
        return (line for message in messages for line in message.lines)


def _cosmic_request(arguments: CosmicArguments) -> lookup_pb2.GetCosmicEventsRequest:
    first, last = run_bounds(arguments.get("run"), arguments.get("runs"))
    event_first, event_last = bounds(arguments.get("events"), "events")
    time_first, time_last = arguments.get("times") or (None, None)
    if time_first is not None and time_last is not None and time_first > time_last:
        raise ValueError(f"times: {time_first} to {time_last} is reversed")
    return lookup_pb2.GetCosmicEventsRequest(
        run_first=first,
        run_last=last,
        event_first=event_first,
        event_last=event_last,
        time_first=_timestamp(time_first),
        time_last=_timestamp(time_last),
        detector_id=arguments.get("detector_id"),
    )


def _timestamp(time: datetime.datetime | None) -> Timestamp | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"time {time} has no time zone")
    found = Timestamp()
    found.FromDatetime(time)
    return found
