"""From EventSelection messages to checked selections. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from event_store.model import RAW_NAME
from event_store.pages.format import SLOT_BITS
from event_store.select.selection import Selection
from event_store.select.walk import Position
from eventindex.limits import RUN_RANGES_MAX
from eventindex.run_lists import merged
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from service_kit import checks
from service_kit.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

BATCH_EVENTS_DEFAULT = 10_000
# Other collections that a selection asks, in each of its lists.
NAMES_MAX = 16


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
        raise InvalidRequestError(
            told("AFTER_INCOMPLETE", "after_run_number and after_event_number go together")
        )
    for name in ("after_run_number", "after_event_number"):
        checks.number(name, getattr(request, name))
    batch_events = checks.at_most(
        "batch_events_max", request.batch_events_max, PAIRS_PER_MESSAGE_MAX
    )
    return ListPlan(
        plan_selection(request.selection),
        request.after_run_number if any(resumes) else -1,
        request.after_event_number if any(resumes) else -1,
        batch_events or BATCH_EVENTS_DEFAULT,
        request.events_max or None,
    )


def plan_selection(message: lookup_pb2.EventSelection) -> Selection:
    """Check a selection.

    Raises:
        InvalidRequestError: a number out of range, a reversed range, a malformed file id.
    """
    runs, events = checks.number_range(message, "run"), checks.number_range(message, "event")
    dsid = checks.dsid(message.dsid_raw)
    if message.olt_all & message.olt_none:
        raise InvalidRequestError(
            told(
                "MASKS_CONTRADICT",
                "olt_all={all} and olt_none={none} have bits in common",
                all=f"{message.olt_all:#x}",
                none=f"{message.olt_none:#x}",
            )
        )
    return Selection(
        run_first=runs.first,
        run_last=runs.last,
        event_first=events.first,
        event_last=events.last,
        dsid=dsid if message.HasField("dsid_raw") else None,
        fuid=checks.fuid(message.fuid_raw).bytes if message.HasField("fuid_raw") else None,
        olt_all=message.olt_all,
        olt_any=message.olt_any,
        olt_none=message.olt_none,
        run_ranges=run_ranges(message.runs),
    )


def plan_names(field: str, names: Sequence[str], names_max: int) -> list[str]:
    """Check names of collections.

    Raises:
        InvalidRequestError: too many, or the same twice.
    """
    found = [name or RAW_NAME for name in names]
    if len(found) > names_max:
        raise InvalidRequestError(
            told(
                "TOO_MANY_NAMES",
                "{field} has {names} names: the limit is {limit}",
                field=field,
                names=len(found),
                limit=names_max,
            )
        )
    for place, name in enumerate(found):
        if name in found[:place]:
            raise InvalidRequestError(
                told(
                    "NAME_TWICE",
                    "{field}[{index}]={name} is there twice",
                    field=field,
                    index=place,
                    name=repr(name[:80]),
                )
            )
    return found


def run_ranges(messages: Sequence[lookup_pb2.RunRange]) -> tuple[tuple[int, int], ...]:
    """Return the ranges of runs, ascending; what overlaps or touches is one.

    Raises:
        InvalidRequestError: too many, a number out of range, or a reversed range; names its index.
    """
    if len(messages) > RUN_RANGES_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_RUN_RANGES",
                "runs has {ranges} ranges, above {limit}",
                ranges=len(messages),
                limit=RUN_RANGES_MAX,
            )
        )
    for index, message in enumerate(messages):
        checks.number(f"runs[{index}].first", message.first)
        checks.number(f"runs[{index}].last", message.last)
        if message.first > message.last:
            raise InvalidRequestError(
                told(
                    "RUN_RANGE_REVERSED",
                    "runs[{index}]: first={first} is above last={last}",
                    index=index,
                    first=message.first,
                    last=message.last,
                )
            )
    return merged((message.first, message.last) for message in messages)
