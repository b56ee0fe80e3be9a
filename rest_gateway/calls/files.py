"""One RAW file: what the index holds of it, its events and its content."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.file_results import FileContent
from eventindex.limits import NAME_BYTES_MAX
from rest_gateway.answers import schemas
from rest_gateway.answers.blocks import event_blocks
from rest_gateway.answers.documents import file_document, related_document
from rest_gateway.answers.streams import json_answer, primed, streamed
from rest_gateway.calls.parameters import EVENT_FORMS, EventForm, FileNamesQuery, PathFuid
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form, answer_form
from rest_gateway.openapi.contract import document, problems_of, streams
from rest_gateway.parts import ServicesDep

router = APIRouter()


class FileQuery(FileNamesQuery):
    """What to tell of one RAW file."""

    with_parents: bool = Field(False, description="Answer the files that its events came from.")
    with_children: bool = Field(False, description="Answer the files that its events went into.")
    related_collection: list[str] = Field(
        default_factory=list,
        description="Parents and children in this collection alone; more than one may be given.",
    )


class NamedFileQuery(FileQuery):
    """Which RAW file, by its name."""

    name: str = Field(
        min_length=1, max_length=NAME_BYTES_MAX, description="Its whole name, as noted."
    )


class FormQuery(FileNamesQuery):
    """The form of a stream of events."""

    format: EventForm | None = Field(None, description="The form, instead of Accept.")


@router.get(
    "/files/by-name",
    tags=["files"],
    summary="One RAW file, by its name",
    responses={**document(schemas.File, "The file."), **problems_of(404)},
)
def get_file_by_name(
    request: Request, services: ServicesDep, query: Annotated[NamedFileQuery, Query()]
) -> Response:
    """Say of which runs the RAW file of a name holds events; a name of several files is refused."""
    content = services.get_file(name=query.name, **_of_file(query))
    return _file(request, content)


@router.get(
    "/files/{fuid_raw}",
    tags=["files"],
    summary="One RAW file",
    responses={**document(schemas.File, "The file."), **problems_of(404)},
)
def get_file(
    request: Request,
    services: ServicesDep,
    fuid_raw: PathFuid,
    query: Annotated[FileQuery, Query()],
) -> Response:
    """Say of which runs a RAW file holds events."""
    content = services.get_file(fuid_raw, **_of_file(query))
    return _file(request, content)


def _file(request: Request, content: FileContent) -> Response:
    runs = [file_document(file) for file in content.runs]
    answer = schemas.File(
        fuid_raw=runs[0].fuid_raw,
        runs=runs,
        parents=[related_document(file) for file in content.parents],
        children=[related_document(file) for file in content.children],
    )
    return json_answer(request, answer)


def _of_file(query: FileQuery) -> dict[str, Any]:
    return {
        "with_file_names": query.with_file_names,
        "with_parents": query.with_parents,
        "with_children": query.with_children,
        "related_collections": query.related_collection,
    }


@router.get(
    "/files/{fuid_raw}/events",
    tags=["files"],
    summary="The events of a RAW file",
    responses={
        **streams(EVENT_FORMS, "Events in ascending (run, event) order, one a line or row."),
        **problems_of(404, 406),
    },
)
def list_events_of_file(
    request: Request,
    services: ServicesDep,
    fuid_raw: PathFuid,
    query: Annotated[FormQuery, Query()],
) -> Response:
    """Stream the events of a file, of any number."""
    form = answer_form(request.headers.get("accept"), query.format, EVENT_FORMS)
    batches = services.list_events(file=fuid_raw, with_file_names=query.with_file_names)
    name = f"{fuid_raw.lower()}.{form}"
    return streamed(
        event_blocks(primed(batches), form, names=query.with_file_names),
        MEDIA_TYPES[form],
        filename=name,
    )


@router.get(
    "/files/{fuid_raw}/content",
    tags=["files"],
    summary="A telescope's RAW file",
    responses={
        **streams([Form.NDJSON], "The records as JSON, one a line, in ascending event number."),
        **problems_of(404),
    },
)
def read_raw_file(services: ServicesDep, fuid_raw: PathFuid) -> Response:
    """Give a RAW file that was made for a telescope; other files are not kept here."""
    lines = primed(services.read_raw_file(fuid_raw))
    blocks = (f"{line}\n".encode() for line in lines)
    return streamed(blocks, MEDIA_TYPES[Form.NDJSON], filename=f"{fuid_raw.lower()}.ndjson")
