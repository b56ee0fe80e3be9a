"""Collections: which there are, and how many events they have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.collection_results import CollectionOverlap
from rest_gateway.answers.schemas import Count, Document, Number, State, Time
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import CollectionName, Parameters, check_range
from rest_gateway.openapi.contract import document, problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.problems import invalid

router = APIRouter(prefix="/collections", tags=["collections"])

COLLECTIONS_MAX = 32


class Collection(Document):
    """A collection, and what it holds."""

    name: str
    made_from: str = Field(description="The collection that it was made from; empty: not known.")
    state: State
    comment: str
    created: Time | None
    events: Count
    runs: Count
    detector_id: str = Field(description="The telescope whose collection it is; else empty.")


class Collections(Document):
    """All collections, `raw` first, then by name."""

    collections: list[Collection]


class CollectionsQuery(Parameters):
    """Which collections."""

    run: list[Number] = Field(
        default_factory=list,
        max_length=1000,
        description="Those that hold this run; more than one may be given.",
    )


class OverlapQuery(Parameters):
    """Which collections, and in which runs."""

    collection: list[CollectionName] = Field(
        min_length=1, max_length=COLLECTIONS_MAX, description="Give it once for each collection."
    )
    run_first: Number | None = Field(None, description="First run, inclusive.")
    run_last: Number | None = Field(None, description="Last run, inclusive.")
    by_run: bool = Field(False, description="A matrix for each run, too.")


Matrix = Annotated[
    list[list[Count]],
    Field(description="Events in both; a row and a column for each collection, in their order."),
]


class OverlapOfRun(Document):
    """The matrix of one run."""

    run_number: Number
    events: Matrix


class Overlap(Document):
    """How many events each two of some collections have in common."""

    collections: list[str]
    events: Matrix
    runs: list[OverlapOfRun] = Field(description="With by_run=true.")


@router.get(
    "",
    summary="The collections of the index",
    responses={**document(Collections, "All of them."), **problems_of()},
)
def list_collections(
    request: Request, services: ServicesDep, query: Annotated[CollectionsQuery, Query()]
) -> Response:
    """List all collections, or those that hold any of some runs."""
    found = services.collections_of(query.run) if query.run else services.collections()
    collections = [
        Collection(**{**one._asdict(), "state": one.state.name.lower()}) for one in found
    ]
    return json_answer(request, Collections(collections=collections))


@router.get(
    "/overlap",
    summary="How many events collections have in common",
    responses={**document(Overlap, "The matrix."), **problems_of()},
)
def overlap(
    request: Request, services: ServicesDep, query: Annotated[OverlapQuery, Query()]
) -> Response:
    """Count the events that each two collections have; on the diagonal are all of one."""
    check_range(query.run_first, query.run_last, "run_first", "run_last")
    try:
        found = services.overlap(
            query.collection,
            run_first=query.run_first,
            run_last=query.run_last,
            by_run=query.by_run,
        )
    except ValueError as error:
        raise invalid(str(error), field="collection", value=query.collection) from error
    return json_answer(request, _overlap(found))


def _overlap(found: CollectionOverlap) -> Overlap:
    return Overlap(
        collections=found.collections,
        events=found.events.tolist(),
        runs=[
            OverlapOfRun(run_number=run, events=matrix.tolist())
            for run, matrix in found.by_run.items()
        ],
    )
