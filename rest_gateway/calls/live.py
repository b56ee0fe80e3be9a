"""`GET /api/v1/live`: what ingest takes in now, as server-sent events.

Numbers come from the metrics page of ingest_service, the latest runs from the index.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import anyio
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from prometheus_client.parser import text_string_to_metric_families
from pydantic import Field

from eventindex.errors import EventIndexError
from eventindex.results import LookupResult
from eventindex.v1 import lookup_pb2
from rest_gateway.answers import schemas
from rest_gateway.answers.schemas import Count, Document
from rest_gateway.openapi.contract import problems_of
from rest_gateway.parts import Parts, PartsDep

log = logging.getLogger(__name__)

router = APIRouter()

_INTERVAL_S = 1.0
_ANSWER_S_MAX = 2.0
_RUNS = 20
_EVENTS = 10
_PREFIX = "eventindex_ingest_"
_OUTCOMES = ("received", "inserted", "duplicate", "conflict", "rejected")
# Nothing changed in the index when these did not.
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


class Live(Document):
    """What comes in, a second."""

    time: schemas.Time
    intake: Intake | None = Field(description="null while ingest does not answer.")
    runs: list[schemas.Run] | None = Field(
        description="The runs that got events last; null while the index does not answer."
    )
    last_events: list[schemas.Answer] = Field(description="The last event of each of ten of them.")


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
async def follow(parts: PartsDep) -> StreamingResponse:
    """Send counts since the start of ingest: rates are their differences.

    With several ingest services these are the counts of the one that
    EVENTINDEX_INGEST_METRICS_ADDRESS names.
    """
    await anyio.to_thread.run_sync(parts.services.check)
    return StreamingResponse(
        _stream(parts),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(parts: Parts) -> AsyncIterator[bytes]:
    last: Live | None = None
    while not parts.stopping.is_set():
        last = await anyio.to_thread.run_sync(partial(look, parts, last))
        yield format_sse_event(data_str=last.model_dump_json(), event="live")
        with anyio.move_on_after(_INTERVAL_S):
            await parts.stopping.wait()


def look(parts: Parts, last: Live | None) -> Live:
    """Return what there is now; runs are asked for again when something came."""
    intake = _intake(parts.settings.ingest_metrics_address)
    now = Live(time=datetime.now(UTC), intake=intake, runs=None, last_events=[])
    if last is not None and last.runs is not None and _same(intake, last.intake):
        return now.model_copy(update={"runs": last.runs, "last_events": last.last_events})
    try:
        request = lookup_pb2.ListRunsRequest(page_size=_RUNS, order_by="last_seen desc")
        runs = parts.services.runs_page(request).rows
        pairs = [(run.run_number, run.event_last) for run in runs[:_EVENTS]]
        found = parts.services.lookup(pairs, with_olt_result=True)
    except EventIndexError as error:
        log.debug("the index: %s", error)
        return now
    now.last_events = _answers(found)
    now.runs = [schemas.Run.model_validate(run) for run in runs]
    return now


def _answers(found: LookupResult) -> list[schemas.Answer]:
    files = [None, *found.files]
    olt = [] if found.olt_results is None else found.olt_results.tolist()
    columns = (found.run_numbers.tolist(), found.event_numbers.tolist(), found.file_indexes, olt)
    return [
        schemas.Answer(
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


def _intake(address: str) -> Intake | None:
    """Return the counts of the metrics page, or None where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/metrics", timeout=_ANSWER_S_MAX) as page:
            return read_metrics(page.read().decode())
    except (OSError, urllib.error.URLError, ValueError) as error:
        log.debug("the metrics of ingest: %s", error)
        return None


def read_metrics(text: str) -> Intake:
    """Return the counts in a metrics page. Pure."""
    intake = Intake(events=dict.fromkeys(_OUTCOMES, 0), pending=0, rejected={}, messages={})
    for family in text_string_to_metric_families(text):
        name = family.name.removeprefix(_PREFIX)
        outcome = name.removesuffix("_events")
        for sample in family.samples:
            value = int(sample.value)
            if name == "pending_events":
                intake.pending += value
            elif name == "received_messages":
                _add(intake.messages, sample.labels.get("kind", ""), value)
            elif outcome in intake.events and name != outcome:
                intake.events[outcome] += value
                if outcome == "rejected":
                    _add(intake.rejected, sample.labels.get("reason", ""), value)
    return intake


def _add(counts: dict[str, int], name: str, value: int) -> None:
    if value:
        counts[name] = counts.get(name, 0) + value
