"""From requests for telescope records to checked selections. Pure: no I/O, no database."""

from __future__ import annotations

from event_store.telescope.read import CosmicSelection
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from service_kit import checks
from service_kit.errors import InvalidRequestError

# The keys of `event_store.telescope.count.COUNT_KEYS`.
_COUNTS: dict[int, str] = {
    lookup_pb2.COSMIC_COUNT_BY_UNSPECIFIED: "total",
    lookup_pb2.COSMIC_COUNT_BY_RUN: "run",
    lookup_pb2.COSMIC_COUNT_BY_BLOCK: "block",
    lookup_pb2.COSMIC_COUNT_BY_HOUR: "hour",
    lookup_pb2.COSMIC_COUNT_BY_DETECTOR: "detector",
}


def plan_selection(request: lookup_pb2.GetCosmicEventsRequest) -> CosmicSelection:
    """Check a selection of telescope records.

    Raises:
        InvalidRequestError: a number, time or detector that cannot be, or a reversed range.
    """
    runs, events = checks.number_range(request, "run"), checks.number_range(request, "event")
    first = last = detector = None
    if request.HasField("time_first"):
        first = checks.unix_seconds("time_first", request.time_first, round_up=True)
    if request.HasField("time_last"):
        last = checks.unix_seconds("time_last", request.time_last, round_up=False)
    if request.HasField("time_first") and request.HasField("time_last"):
        begin, end = request.time_first, request.time_last
        if (begin.seconds, begin.nanos) > (end.seconds, end.nanos):
            raise InvalidRequestError(
                told(
                    "TIMES_REVERSED_AT",
                    "time_first={first} is after time_last={last}",
                    first=begin.ToJsonString(),
                    last=end.ToJsonString(),
                )
            )
    if request.HasField("detector_id"):
        detector = checks.text("detector_id", request.detector_id)
        if not detector:
            raise InvalidRequestError(
                told("DETECTOR_EMPTY", "detector_id='' is no detector; leave it out to take all")
            )
    return CosmicSelection(*runs, *events, first, last, detector)


def plan_count(by: int) -> str:
    """Return the name of a way to count.

    Raises:
        InvalidRequestError: there is none with this number.
    """
    if by not in _COUNTS:
        raise InvalidRequestError(
            told("NOT_COUNTED_BY", "by={by} is not a way to count telescope events", by=by)
        )
    return _COUNTS[by]
