"""`GET /api/v1/live`: what ingest takes in now, as server-sent events.

Numbers come from ingest_service, the latest runs from the index.
"""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import anyio
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import Field

from eventindex.admin_results import DetectorStatus, DoorStatus
from eventindex.errors import AccessError, EventIndexError
from eventindex.results import LookupResult
from eventindex.run_results import Run
from eventindex.v1 import lookup_pb2
from rest_gateway.answers import schemas
from rest_gateway.answers.schemas import Count, Document
from rest_gateway.clients import Services
from rest_gateway.openapi.contract import problems_of
from rest_gateway.parts import Parts, PartsDep
from rest_gateway.security import StillMay, StillMayDep

log = logging.getLogger(__name__)

router = APIRouter()

INTERVAL_S = 1.0
_ANSWER_S_MAX = 2.0
_RUNS = 20
_EVENTS = 10
# While these stand still, the runs need not be asked for again.
_CHANGES = ("inserted", "conflict")
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "live"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


class Intake(Document):
    """What ingest has counted since it started."""

    events: dict[str, Count] = Field(
        description="Events by outcome: received, inserted, duplicate, conflict, rejected."
    )
    pending: Count = Field(description="Events that wait to be stored.")
    rejected: dict[str, Count] = Field(description="Refused events by reason.")
    messages: dict[str, Count] = Field(description="Messages and batches by kind.")


class Detector(Document):
    """A detector that sent messages."""

    detector_id: str
    last_heard: schemas.Time
    longest_silence_seconds: float = Field(description="Before this one.")
    silent: bool = Field(description="It sends nothing for longer than ever before.")


class LiveEvent(schemas.Answer):
    """An event that came last in its run."""

    collection: str


class Live(Document):
    """What comes in, a second."""

    time: schemas.Time
    detectors: list[Detector] = Field(
        description="Those that sent messages over MQTT in the last 30 days, the last first; "
        "empty while ingest does not answer."
    )
    intake: Intake | None = Field(description="null while ingest does not answer.")
    runs: list[schemas.Run] | None = Field(
        description="The runs that got events last; null while the index does not answer."
    )
    last_events: list[LiveEvent] = Field(description="The last event of each of ten of them.")


@router.get(
    "/live",
    tags=["live"],
    summary="What is coming in, as server-sent events",
    responses={
        200: {
            "description": "An event `live` each second; its data is a JSON object.",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        **problems_of(),
    },
)
async def follow(parts: PartsDep, still_may: StillMayDep) -> StreamingResponse:
    """Send counts since the start of ingest: rates are their differences.

    With several ingest services these are the counts of the one that
    EVENTINDEX_INGEST_ADDRESS names.
    """
    await anyio.to_thread.run_sync(parts.services.check)
    return StreamingResponse(
        _stream(parts, still_may),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(parts: Parts, still_may: StillMay) -> AsyncIterator[bytes]:
    async for now in parts.live.follow():
        if not await still_may():
            return
        yield format_sse_event(data_str=now.model_dump_json(), event="live")


def look(services: Services, last: Live | None) -> Live:
    """Return what there is now; runs are asked for again when something came.

    Raises:
        AccessError: the caller may not look any more.
    """
    intake, detectors = _ingest(services)
    now = Live(
        time=datetime.now(UTC), intake=intake, detectors=detectors, runs=None, last_events=[]
    )
    if last is not None and last.runs is not None and _same(intake, last.intake):
        return now.model_copy(update={"runs": last.runs, "last_events": last.last_events})
    try:
        request = lookup_pb2.ListRunsRequest(
            page_size=_RUNS, order_by="last_seen desc", all_collections=True
        )
        runs: list[Run] = services.runs_page(request).rows
        answers = _last_events(services, runs[:_EVENTS])
    except AccessError:
        raise
    except EventIndexError as error:
        log.debug("the index: %s", error)
        return now
    now.last_events = answers
    now.runs = [schemas.Run.model_validate(run) for run in runs]
    return now


def _last_events(services: Services, runs: Sequence[Run]) -> list[LiveEvent]:
    """Return the last event of each run, in the order of the runs."""
    found: dict[tuple[str, int], LiveEvent] = {}
    for collection in {run.collection for run in runs}:
        own = [(run.run_number, run.event_last) for run in runs if run.collection == collection]
        result = services.lookup(own, with_olt_result=True, collection=collection)
        for event in _answers(result, collection):
            found[collection, event.run_number] = event
    return [found[run.collection, run.run_number] for run in runs]


def _answers(found: LookupResult, collection: str) -> list[LiveEvent]:
    files = [None, *found.files]
    olt = [] if found.olt_results is None else found.olt_results.tolist()
    columns = (found.run_numbers.tolist(), found.event_numbers.tolist(), found.file_indexes, olt)
    return [
        LiveEvent(
            collection=collection,
            run_number=run,
            event_number=event,
            fuid_raw=file.fuid_raw if file else None,
            dsid_raw=file.dsid_raw if file else None,
            olt_result=bits if file else None,
        )
        for run, event, index, bits in zip(*columns, strict=True)
        for file in [files[index]]
    ]


def _same(one: Intake | None, other: Intake | None) -> bool:
    if one is None or other is None:
        return False
    return all(one.events[name] == other.events[name] for name in _CHANGES)


def _ingest(services: Services) -> tuple[Intake | None, list[Detector]]:
    """Return the counts of ingest and the detectors; None and none where nobody answers."""
    try:
        doors = services.ingest_status(timeout=_ANSWER_S_MAX)
        detectors: list[DetectorStatus] = services.detectors(timeout=_ANSWER_S_MAX)
    except EventIndexError as error:
        log.debug("ingest: %s", error)
        return None, []
    return intake_of(doors), [Detector.model_validate(each) for each in detectors]


def intake_of(doors: Sequence[DoorStatus]) -> Intake:
    """Return the counts of all doors. Pure."""
    rejected: Tally[str] = Tally()
    messages: Tally[str] = Tally()
    for door in doors:
        rejected.update(door.rejected_by_reason)
        messages.update(door.messages_by_kind)
    return Intake(
        events={
            "received": sum(door.received for door in doors),
            "inserted": sum(door.inserted for door in doors),
            "duplicate": sum(door.duplicates for door in doors),
            "conflict": sum(door.conflicts for door in doors),
            "rejected": sum(door.rejected for door in doors),
        },
        pending=sum(door.pending for door in doors),
        rejected=dict(rejected),
        messages=dict(messages),
    )
