"""Which event numbers of a run are missing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.collection_names import RAW
from rest_gateway.answers.schemas import Count, Document, Number
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import InCollection, PathNumber
from rest_gateway.openapi.contract import document, problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.security import heavy

router = APIRouter()


class GapsQuery(InCollection):
    """How many gaps to name."""

    limit: int = Field(20, ge=0, le=10_000, description="Name so many gaps, the widest first.")


class Gap(Document):
    """Consecutive event numbers that the index does not hold."""

    event_first: Number
    event_last: Number
    missing: Count


class Bin(Document):
    """A part of the run's event numbers."""

    event_first: Number
    event_last: Number
    events: Count


class Gaps(Document):
    """What is missing between the first and the last event of a run."""

    run_number: Number
    event_first: Number
    event_last: Number
    events: Count
    missing: Count
    gaps: Count = Field(description="How many gaps there are.")
    widest: list[Gap] = Field(description="The widest ones.")
    bins: list[Bin] = Field(description="The range in up to 100 equal parts.")


@router.get(
    "/runs/{run_number}/gaps",
    dependencies=[heavy],
    tags=["runs"],
    summary="The event numbers that a run lacks",
    responses={**document(Gaps, "What is missing."), **problems_of(404)},
)
def get_gaps(
    request: Request,
    services: ServicesDep,
    run_number: PathNumber,
    query: Annotated[GapsQuery, Query()],
) -> Response:
    """Count and name the gaps in a run's event numbers."""
    found = services.run_gaps(run_number, gaps_max=query.limit, collection=query.chosen or RAW)
    return json_answer(
        request,
        Gaps(
            run_number=run_number,
            event_first=found.event_first,
            event_last=found.event_last,
            events=found.events,
            missing=found.missing,
            gaps=found.gaps,
            widest=[
                Gap(event_first=gap.event_first, event_last=gap.event_last, missing=gap.missing)
                for gap in found.widest
            ],
            bins=[Bin(**part._asdict()) for part in found.bins],
        ),
    )
