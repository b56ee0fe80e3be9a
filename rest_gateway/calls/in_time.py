"""Events in time, by hour or by day: when the runs of the catalogue came in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.run_results import Run
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from rest_gateway.answers import in_time_schemas
from rest_gateway.answers.in_time import BINS_MAX, TooManyBinsError, spread
from rest_gateway.answers.schemas import Number
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import CollectionName, Parameters, check_range
from rest_gateway.clients import Services
from rest_gateway.openapi.contract import document, problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.problems import invalid
from rest_gateway.security import heavy

router = APIRouter()

# Runs that one answer reads, and of a page of them.
_RUNS_MAX = 100_000
_PAGE_RUNS = 10_000


class InTimeQuery(Parameters):
    """Which runs, and how wide the bins are."""

    by: Literal["hour", "day"] = Field("day", description="Hours and days are UTC.")
    run_first: Number | None = Field(None, description="First run, inclusive.")
    run_last: Number | None = Field(None, description="Last run, inclusive.")
    detector: str | None = Field(None, max_length=200, description="Runs of one telescope.")
    collection: CollectionName = ""


@router.get(
    "/in-time",
    tags=["runs"],
    dependencies=[heavy],
    summary="Events by the hour or the day in which they came in",
    responses={**document(in_time_schemas.EventsInTime, "The counts."), **problems_of(404)},
)
def count_in_time(
    request: Request, services: ServicesDep, query: Annotated[InTimeQuery, Query()]
) -> Response:
    """Spread the events of each run evenly over the time in which it was added to."""
    check_range(query.run_first, query.run_last, "run_first", "run_last")
    try:
        found = spread(_runs(services, query), query.by)
    except TooManyBinsError:
        detail = told(
            "TOO_MANY_BINS",
            "the runs span more than {limit} bins: count by day, or narrow the runs",
            limit=f"{BINS_MAX:,}",
        )
        raise invalid(detail, field="by", value=query.by) from None
    counts = [
        in_time_schemas.EventsOfTime(time=time, events=events) for time, events in found.items()
    ]
    answer = in_time_schemas.EventsInTime(total=sum(found.values()), by=query.by, counts=counts)
    return json_answer(request, answer)


def _runs(services: Services, query: InTimeQuery) -> Iterator[Run]:
    """Yield the runs that are meant, page by page.

    Raises:
        Problem: 400, there are too many of them.
    """
    wanted = lookup_pb2.ListRunsRequest(
        page_size=_PAGE_RUNS,
        run_first=query.run_first,
        run_last=query.run_last,
        detector_id=query.detector,
        collection=query.collection,
    )
    read = 0
    while True:
        page = services.runs_page(wanted)
        yield from page.rows
        read += len(page.rows)
        if not page.next_page_token:
            return
        if read >= _RUNS_MAX:
            detail = told(
                "TOO_MANY_RUNS",
                "there are more than {limit} runs: narrow them by run_first and run_last",
                limit=f"{_RUNS_MAX:,}",
            )
            raise invalid(detail, field="run_first", value=query.run_first)
        wanted.page_token = page.next_page_token
