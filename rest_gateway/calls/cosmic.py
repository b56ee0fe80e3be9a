"""Telescope events: their full records as a stream, and their numbers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Generator, Iterable
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator, Field

from eventindex.catalogue_results import CosmicEvent
from eventindex.cosmic_queries import CosmicArguments
from eventindex.limits import NUMBER_MAX
from eventindex.told import told
from rest_gateway.answers import cosmic_schemas
from rest_gateway.answers.documents import cosmic_document
from rest_gateway.answers.streams import json_answer, primed, streamed
from rest_gateway.calls.parameters import Ranges
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form
from rest_gateway.openapi.contract import document, problems_of, streams
from rest_gateway.parts import ServicesDep
from rest_gateway.problems import invalid

router = APIRouter(prefix="/cosmic", tags=["cosmic"])

_BLOCK_EVENTS = 500
_TIME = "RFC 3339, with a time zone, inclusive."


def _date_first(value: object) -> object:
    """Refuse bare numbers, which pydantic takes for seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        raise ValueError("not a time such as 2026-11-21T12:00:00Z")
    return value


QueryTime = Annotated[AwareDatetime, BeforeValidator(_date_first)]


class CosmicSelection(Ranges):
    """Which telescope events; what is left out does not restrict."""

    time_first: QueryTime | None = Field(None, description=_TIME)
    time_last: QueryTime | None = Field(None, description=_TIME)
    detector: str | None = Field(None, max_length=200, description="One telescope.")


class CosmicList(CosmicSelection):
    """Which telescope events to list, and how many."""

    limit: int = Field(0, ge=0, le=NUMBER_MAX, description="At most; 0: all.")


class CosmicCounted(CosmicSelection):
    """Which telescope events to count, and by what."""

    by: Literal["run", "block", "hour", "detector"] | None = Field(
        None, description="Count by this too; hours are UTC."
    )


@router.get(
    "/events",
    summary="Telescope events with their full records",
    responses={
        **streams(
            [Form.NDJSON],
            "Records, one a line.",
            ndjson={"$ref": "#/components/schemas/CosmicEvent"},
        ),
        **problems_of(404),
    },
)
def list_cosmic_events(services: ServicesDep, query: Annotated[CosmicList, Query()]) -> Response:
    """Stream the records, each a JSON object on a line of its own."""
    events = services.cosmic_events(events_max=query.limit, **_arguments(query))
    return streamed(_blocks(primed(events)), MEDIA_TYPES[Form.NDJSON])


@router.get(
    "/counts",
    summary="Numbers of telescope events",
    responses={**document(cosmic_schemas.CosmicCounts, "The counts."), **problems_of(404)},
)
def count_cosmic_events(
    request: Request, services: ServicesDep, query: Annotated[CosmicCounted, Query()]
) -> Response:
    """Count in all and by run, block, hour or detector."""
    found = services.count_cosmic_events(by=query.by, **_arguments(query))
    counts = [cosmic_schemas.CosmicCount.model_validate(count) for count in found.counts]
    return json_answer(request, cosmic_schemas.CosmicCounts(total=found.total, counts=counts))


def _arguments(query: CosmicSelection) -> CosmicArguments:
    query.check()
    times = _checked(query.time_first, "time_first"), _checked(query.time_last, "time_last")
    if times[0] is not None and times[1] is not None and times[0] > times[1]:
        raise invalid(
            told("TIMES_REVERSED", "time_first is after time_last"),
            field="time_last",
            value=query.time_last,
        )
    return {
        "run": query.run,
        "runs": query.run_bounds,
        "events": query.event_bounds,
        "times": times,
        "detector_id": query.detector,
    }


def _checked(time: datetime.datetime | None, name: str) -> datetime.datetime | None:
    """Return a time in UTC, which may lie outside of what a calendar can say."""
    try:
        return None if time is None else time.astimezone(datetime.UTC)
    except OverflowError:
        raise invalid(
            told("TIME_OUTSIDE_OF_YEARS", "{field} is outside of the years 1 to 9999", field=name),
            field=name,
            value=time,
        ) from None


def _blocks(events: Iterable[CosmicEvent]) -> Generator[bytes, None, None]:
    source = iter(events)
    while block := list(islice(source, _BLOCK_EVENTS)):
        lines = [cosmic_document(event).model_dump_json() for event in block]
        yield ("\n".join(lines) + "\n").encode()
