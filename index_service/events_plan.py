"""From EventSelection messages to checked selections. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from event_store.model import DSID_MAX, NUMBER_MAX
from event_store.pages.format import SLOT_BITS
from event_store.select.scan import Position
from event_store.select.selection import Selection
from eventindex.run_lists import RUN_RANGES_MAX, merged
from eventindex.v1 import lookup_pb2
from index_service.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

BATCH_EVENTS_DEFAULT = 10_000
_CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class ListPlan(NamedTuple):
    """A checked listing: resume behind (after_run, after_event), both -1 from the start."""

    selection: Selection
    after_run: int
    after_event: int
    batch_events_max: int
    events_max: int | None

    @property
    def after_page(self) -> Position | None:
        """The page before the one to resume in."""
        if self.after_run < 0:
            return None
        return Position(self.after_run, (self.after_event >> SLOT_BITS) - 1)


def plan_list(request: lookup_pb2.ListEventsRequest) -> ListPlan:
    """Check a listing.

    Raises:
        InvalidRequestError: a bound, range, id, limit or position that cannot be.
    """
    resumes = [request.HasField(name) for name in ("after_run_number", "after_event_number")]
    if any(resumes) and not all(resumes):
        raise InvalidRequestError("after_run_number and after_event_number go together")
    for name in ("after_run_number", "after_event_number"):
        check_number(name, getattr(request, name))
    if request.batch_events_max > PAIRS_PER_MESSAGE_MAX:
        raise InvalidRequestError(
            f"batch_events_max={request.batch_events_max} is above the limit of "
            f"{PAIRS_PER_MESSAGE_MAX}"
        )
    return ListPlan(
        plan_selection(request.selection),
        request.after_run_number if any(resumes) else -1,
        request.after_event_number if any(resumes) else -1,
        request.batch_events_max or BATCH_EVENTS_DEFAULT,
        request.events_max or None,
    )


def plan_selection(message: lookup_pb2.EventSelection) -> Selection:
    """Check a selection.

    Raises:
        InvalidRequestError: a number out of range, a reversed range, a malformed file id.
    """
    run_first, run_last = number_range(message, "run_first", "run_last")
    event_first, event_last = number_range(message, "event_first", "event_last")
    if message.dsid_raw > DSID_MAX:
        raise InvalidRequestError(f"dsid_raw={message.dsid_raw} is above 2^31-1")
    if message.olt_all & message.olt_none:
        raise InvalidRequestError(
            f"olt_all={message.olt_all:#x} and olt_none={message.olt_none:#x} have bits in common"
        )
    return Selection(
        run_first=run_first,
        run_last=run_last,
        event_first=event_first,
        event_last=event_last,
        dsid=message.dsid_raw if message.HasField("dsid_raw") else None,
        fuid=file_id("fuid_raw", message.fuid_raw) if message.HasField("fuid_raw") else None,
        olt_all=message.olt_all,
        olt_any=message.olt_any,
        olt_none=message.olt_none,
        run_ranges=run_ranges(message.runs),
    )


def run_ranges(messages: Sequence[lookup_pb2.RunRange]) -> tuple[tuple[int, int], ...]:
    """Return the ranges of runs, ascending; what overlaps or touches is one.

    Raises:
        InvalidRequestError: too many, a number out of range, or a reversed range; names its index.
    """
    if len(messages) > RUN_RANGES_MAX:
        raise InvalidRequestError(f"runs has {len(messages)} ranges, above {RUN_RANGES_MAX}")
    for index, message in enumerate(messages):
        check_number(f"runs[{index}].first", message.first)
        check_number(f"runs[{index}].last", message.last)
        if message.first > message.last:
            raise InvalidRequestError(
                f"runs[{index}]: first={message.first} is above last={message.last}"
            )
    return merged((message.first, message.last) for message in messages)


def number_range(message: lookup_pb2.EventSelection, first: str, last: str) -> tuple[int, int]:
    """Return two optional bounds of a message, inclusive.

    Raises:
        InvalidRequestError: a bound out of range, or the first above the last.
    """
    low = getattr(message, first)
    high = getattr(message, last) if message.HasField(last) else NUMBER_MAX
    check_number(first, low)
    check_number(last, high)
    if low > high:
        raise InvalidRequestError(f"{first}={low} is above {last}={high}")
    return low, high


def check_number(name: str, value: int) -> None:
    """Refuse a run or event number of more than 63 bits.

    Raises:
        InvalidRequestError: it has 64.
    """
    if value > NUMBER_MAX:
        raise InvalidRequestError(f"{name}={value} is above 2^63-1")


def file_id(name: str, text: str) -> bytes:
    """Return the 16 bytes of a RAW file id.

    Raises:
        InvalidRequestError: the text is not a canonical UUID.
    """
    if not _CANONICAL_UUID.fullmatch(text):
        raise InvalidRequestError(f"{name}={text[:60]!r} is not a UUID in canonical form")
    return uuid.UUID(text).bytes
