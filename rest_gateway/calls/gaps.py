"""Which event numbers of a run are missing: its events listed once, in flat memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.results import Run
from rest_gateway.answers.schemas import Count, Document, Number
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import Parameters, PathNumber
from rest_gateway.openapi.contract import document, problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.problems import Problem

router = APIRouter()

# A few seconds of the index; a larger run is for a program that reads `GET /events`.
EVENTS_MAX = 20_000_000
_BINS = 100

Int64 = npt.NDArray[np.int64]


class GapsQuery(Parameters):
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
    tags=["runs"],
    summary="The event numbers that a run lacks",
    responses={**document(Gaps, "What is missing."), **problems_of(404, 413)},
)
def get_gaps(
    request: Request,
    services: ServicesDep,
    run_number: PathNumber,
    query: Annotated[GapsQuery, Query()],
) -> Response:
    """Count and name the gaps in a run's event numbers, of runs of up to 20 million events."""
    run = services.run(run_number)
    if run.events > EVENTS_MAX:
        raise Problem(
            413,
            "too-large",
            f"run {run_number} has {run.events:,} events, gaps are looked for in up to "
            f"{EVENTS_MAX:,}",
            limit=EVENTS_MAX,
            unit="events",
        )
    batches = services.list_events(run=run_number)
    return json_answer(request, find_gaps(run, (b.event_numbers for b in batches), query.limit))


def find_gaps(run: Run, batches: Iterable[Int64], limit: int) -> Gaps:
    """Return what is missing, from ascending event numbers of the run in batches."""
    first, last = run.event_first, run.event_last
    width = max((last - first) // _BINS + 1, 1)
    bins = np.zeros((last - first) // width + 1, np.int64)
    gaps = missing = events = 0
    widest: list[tuple[int, int]] = []
    before = np.empty(0, np.int64)
    for numbers in batches:
        known = numbers[(numbers >= first) & (numbers <= last)]
        bins += np.bincount((known - first) // width, minlength=len(bins))
        events += len(known)
        steps = np.concatenate((before, known))
        holes = np.diff(steps) - 1
        places = np.flatnonzero(holes)
        gaps += len(places)
        missing += int(holes[places].sum())
        if len(places) > limit:
            places = places[np.argsort(-holes[places], kind="stable")[:limit]]
        found = [(int(holes[place]), int(steps[place]) + 1) for place in places]
        widest = heapq.nsmallest(limit, [*widest, *found], key=lambda gap: (-gap[0], gap[1]))
        before = steps[-1:]
    return Gaps(
        run_number=run.run_number,
        event_first=first,
        event_last=last,
        events=events,
        missing=missing,
        gaps=gaps,
        widest=[Gap(event_first=at, event_last=at + n - 1, missing=n) for n, at in widest],
        bins=[
            Bin(
                event_first=first + index * width,
                event_last=min(first + (index + 1) * width - 1, last),
                events=count,
            )
            for index, count in enumerate(bins.tolist())
        ],
    )
