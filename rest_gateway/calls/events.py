"""Events: one, those of a selection as a stream, and their numbers."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.collection_names import RAW
from eventindex.limits import NUMBER_MAX
from eventindex.told import told
from rest_gateway.answers import schemas
from rest_gateway.answers.blocks import event_blocks
from rest_gateway.answers.documents import named_event_document
from rest_gateway.answers.schemas import Number
from rest_gateway.answers.streams import json_answer, primed, streamed
from rest_gateway.calls.parameters import (
    EVENT_FORMS,
    EventForm,
    FileNamesQuery,
    InCollection,
    PathNumber,
    Selection,
    SelectionQuery,
    arguments,
)
from rest_gateway.lists.negotiate import MEDIA_TYPES, answer_form
from rest_gateway.openapi.contract import document, problems_of, streams
from rest_gateway.parts import ServicesDep
from rest_gateway.problems import invalid
from rest_gateway.security import heavy

router = APIRouter()

# Events in a message of the index: about a megabyte of text, and an early first block.
_BATCH_EVENTS = 10_000


class EventQuery(FileNamesQuery, InCollection):
    """Of which collection, and whether what is noted of its file is told."""


class EventsSelection(Selection, FileNamesQuery):
    """Which events to list, and how many."""

    limit: Annotated[int, Field(ge=0, le=NUMBER_MAX, description="At most; 0: all.")] = 0
    after_run_number: Number | None = Field(None, description="Go on behind this event:")
    after_event_number: Number | None = Field(None, description="its run and event number.")
    format: EventForm | None = Field(None, description="The form, instead of Accept.")


class CountSelection(Selection):
    """Which events to count, and by what."""

    by: Literal["run", "dataset", "file", "bit"] | None = Field(
        None, description="Count by this too; without it the total alone."
    )


@router.get(
    "/events/{run_number}/{event_number}",
    tags=["events"],
    summary="One event with all its fields",
    responses={**document(schemas.NamedEvent, "The event."), **problems_of(404)},
)
def get_event(
    request: Request,
    services: ServicesDep,
    run_number: PathNumber,
    event_number: PathNumber,
    query: Annotated[EventQuery, Query()],
) -> Response:
    """Say which RAW file holds one event."""
    found = services.get_event(
        run_number,
        event_number,
        collection=query.chosen or RAW,
        with_file_names=query.with_file_names,
    )
    return json_answer(request, named_event_document(found))


@router.get(
    "/status",
    tags=["status"],
    summary="What the index holds",
    responses={**document(schemas.Status, "The totals of all collections."), **problems_of()},
)
def get_status(request: Request, services: ServicesDep) -> Response:
    """Say how many events, runs, files, datasets and collections there are."""
    return json_answer(request, schemas.Status.model_validate(services.index_status()))


@router.get(
    "/events",
    tags=["events"],
    summary="The events of a selection",
    responses={
        **streams(EVENT_FORMS, "Events in ascending (run, event) order, one a line or row."),
        **problems_of(404, 406),
    },
)
def list_events(
    request: Request, services: ServicesDep, selection: Annotated[EventsSelection, Query()]
) -> Response:
    """Stream any number of events. An answer that breaks off is cut, never ended in good order."""
    answer = answer_form(request.headers.get("accept"), selection.format, EVENT_FORMS)
    given = (selection.after_run_number, selection.after_event_number)
    if (given[0] is None) != (given[1] is None):
        raise invalid(
            told("AFTER_INCOMPLETE", "after_run_number and after_event_number go together"),
            field="after_run_number",
        )
    after = (given[0], given[1]) if given[0] is not None and given[1] is not None else None
    batches = services.list_events(
        after=after,
        events_max=selection.limit,
        batch_events_max=_BATCH_EVENTS,
        with_file_names=selection.with_file_names,
        **arguments(selection),
    )
    return streamed(
        event_blocks(primed(batches), answer, names=selection.with_file_names), MEDIA_TYPES[answer]
    )


@router.get(
    "/counts",
    tags=["events"],
    dependencies=[heavy],
    summary="Numbers of events of a selection",
    responses={**document(schemas.EventCounts, "The counts."), **problems_of(404)},
)
def count_events(
    request: Request,
    services: ServicesDep,
    selection: Annotated[CountSelection, Query()],
) -> Response:
    """Count in all and by run, dataset, file or bit, on the planes: no event is read."""
    found = services.count_events(by=selection.by, **arguments(selection))
    counts = [schemas.EventCount.model_validate(count) for count in found.counts]
    return json_answer(request, schemas.EventCounts(total=found.total, counts=counts))


@router.get(
    "/overlaps",
    tags=["events"],
    dependencies=[heavy],
    summary="How the online filter's criteria overlap",
    responses={**document(schemas.Overlaps, "The overlaps."), **problems_of(404)},
)
def count_overlaps(request: Request, services: ServicesDep, selection: SelectionQuery) -> Response:
    """Count the events that have both of two bits of `olt_result`, for each pair of bits."""
    found = services.count_events(by="overlap", **arguments(selection))
    overlaps = [schemas.Overlap.model_validate(count) for count in found.counts]
    return json_answer(request, schemas.Overlaps(total=found.total, overlaps=overlaps))
