"""Runs, datasets, RAW files and conflicts: lists in pages that link to the next."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.columns import DSID_MAX
from eventindex.datasets import to_wire_state
from eventindex.file_results import FileContent
from eventindex.limits import NAME_BYTES_MAX
from eventindex.results import DatasetState
from eventindex.v1 import lookup_pb2
from rest_gateway.answers import schemas
from rest_gateway.answers.blocks import event_blocks
from rest_gateway.answers.documents import (
    conflict_document,
    dataset_document,
    file_document,
    related_document,
)
from rest_gateway.answers.schemas import Number
from rest_gateway.answers.streams import json_answer, primed, streamed
from rest_gateway.calls.parameters import (
    EVENT_FORMS,
    CollectionName,
    EventForm,
    InCollection,
    PageQuery,
    Parameters,
    PathDsid,
    PathFuid,
    PathNumber,
    check_range,
    next_page,
)
from rest_gateway.lists.negotiate import MEDIA_TYPES, Form, answer_form
from rest_gateway.openapi.contract import document, problems_of, streams
from rest_gateway.parts import ServicesDep

router = APIRouter()


class RunsQuery(PageQuery):
    """Which runs, in which order."""

    run_first: Number | None = Field(None, description="First run, inclusive.")
    run_last: Number | None = Field(None, description="Last run, inclusive.")
    detector: str | None = Field(None, max_length=200, description="Runs of one telescope.")
    collection: CollectionName = ""
    order_by: Literal[
        "run_number", "run_number desc", "events", "events desc",
        "first_seen", "first_seen desc", "last_seen", "last_seen desc",
    ] = "run_number"  # fmt: skip


class DatasetsQuery(PageQuery):
    """Which datasets, in which order."""

    state: Literal["open", "frozen", "retired"] | None = None
    name_contains: str = Field("", max_length=200, description="A part of the name.")
    collection: CollectionName = ""
    order_by: Literal[
        "dsid_raw", "dsid_raw desc", "name", "name desc",
        "events", "events desc", "created", "created desc",
    ] = "dsid_raw"  # fmt: skip


class FilesQuery(PageQuery, InCollection):
    """Which RAW files, in which order."""

    run: Number | None = Field(None, description="Files of one run.")
    dataset: int | None = Field(None, ge=0, le=DSID_MAX, description="Files of one dataset.")
    name: str = Field(
        "",
        max_length=NAME_BYTES_MAX,
        description="Files with such a name: * is any text, ? one character.",
    )
    with_file_names: bool = Field(
        False, description="Answer name, bytes, checksum and url of the files too."
    )
    order_by: Literal[
        "run_number", "run_number desc", "fuid_raw", "fuid_raw desc", "events", "events desc"
    ] = "run_number"


class FileQuery(Parameters):
    """What to tell of one RAW file."""

    with_file_names: bool = Field(False, description="Answer name, bytes, checksum and url too.")
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


class ConflictsQuery(PageQuery, InCollection):
    """Which conflicts."""

    run: Number | None = Field(None, description="Conflicts of one run.")
    with_resolved: bool = Field(False, description="Those too that somebody decided on.")


@router.get(
    "/runs",
    tags=["runs"],
    summary="The runs of the index",
    responses={**document(schemas.Runs, "A page of runs."), **problems_of(404)},
)
def list_runs(
    request: Request, services: ServicesDep, query: Annotated[RunsQuery, Query()]
) -> Response:
    """List the runs, a page at a time."""
    check_range(query.run_first, query.run_last, "run_first", "run_last")
    page = services.runs_page(
        lookup_pb2.ListRunsRequest(
            page_size=query.page_size,
            page_token=query.page_token,
            run_first=query.run_first,
            run_last=query.run_last,
            detector_id=query.detector,
            collection=query.collection,
            order_by=query.order_by,
        )
    )
    runs = [schemas.Run.model_validate(run) for run in page.rows]
    return json_answer(
        request, schemas.Runs(runs=runs, next=next_page(request, page.next_page_token))
    )


@router.get(
    "/runs/{run_number}",
    tags=["runs"],
    summary="One run",
    responses={**document(schemas.Run, "The run."), **problems_of(404)},
)
def get_run(
    request: Request,
    services: ServicesDep,
    run_number: PathNumber,
    query: Annotated[InCollection, Query()],
) -> Response:
    """Say what the index holds of one run."""
    run = services.run(run_number, query.chosen)
    return json_answer(request, schemas.Run.model_validate(run))


@router.get(
    "/datasets",
    tags=["datasets"],
    summary="The datasets of the index",
    responses={**document(schemas.Datasets, "A page of datasets."), **problems_of()},
)
def list_datasets(
    request: Request, services: ServicesDep, query: Annotated[DatasetsQuery, Query()]
) -> Response:
    """List the datasets, a page at a time."""
    state = None if query.state is None else to_wire_state(DatasetState[query.state.upper()])
    page = services.datasets_page(
        lookup_pb2.ListDatasetsRequest(
            page_size=query.page_size,
            page_token=query.page_token,
            state=state,
            name_contains=query.name_contains,
            collection=query.collection,
            order_by=query.order_by,
        )
    )
    datasets = [dataset_document(dataset) for dataset in page.rows]
    answer = schemas.Datasets(datasets=datasets, next=next_page(request, page.next_page_token))
    return json_answer(request, answer)


@router.get(
    "/datasets/{dsid_raw}",
    tags=["datasets"],
    summary="One dataset",
    responses={**document(schemas.Dataset, "The dataset."), **problems_of(404)},
)
def get_dataset(request: Request, services: ServicesDep, dsid_raw: PathDsid) -> Response:
    """Say what the index holds of one dataset."""
    return json_answer(request, dataset_document(services.get_dataset(dsid_raw)))


@router.get(
    "/files",
    tags=["files"],
    summary="The RAW files of the index",
    responses={**document(schemas.Files, "A page of files."), **problems_of(404)},
)
def list_files(
    request: Request, services: ServicesDep, query: Annotated[FilesQuery, Query()]
) -> Response:
    """List the RAW files, one row for each run that they hold events of."""
    page = services.files_page(
        lookup_pb2.ListFilesRequest(
            page_size=query.page_size,
            page_token=query.page_token,
            run_number=query.run,
            dsid_raw=query.dataset,
            collection=query.chosen,
            name_pattern=query.name,
            with_file_names=query.with_file_names,
            order_by=query.order_by,
        )
    )
    files = [file_document(file) for file in page.rows]
    return json_answer(
        request, schemas.Files(files=files, next=next_page(request, page.next_page_token))
    )


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


class FormQuery(Parameters):
    """The form of a stream of events."""

    format: EventForm | None = Field(None, description="The form, instead of Accept.")


@router.get(
    "/files/{fuid_raw}/events",
    tags=["files"],
    summary="The events of a RAW file",
    responses={
        **streams(EVENT_FORMS, "Events in ascending (run, event) order, one a line."),
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
    batches = services.list_events(file=fuid_raw)
    name = f"{fuid_raw.lower()}.{form}"
    return streamed(event_blocks(primed(batches), form), MEDIA_TYPES[form], filename=name)


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


@router.get(
    "/conflicts",
    tags=["conflicts"],
    summary="Events that were offered again with other values",
    responses={**document(schemas.Conflicts, "A page of conflicts."), **problems_of(404)},
)
def list_conflicts(
    request: Request, services: ServicesDep, query: Annotated[ConflictsQuery, Query()]
) -> Response:
    """List both values of each; the one that was stored first stays."""
    page = services.conflicts_page(
        lookup_pb2.ListConflictsRequest(
            page_size=query.page_size,
            page_token=query.page_token,
            run_number=query.run,
            with_resolved=query.with_resolved,
            collection=query.chosen,
        )
    )
    conflicts = [conflict_document(conflict) for conflict in page.rows]
    answer = schemas.Conflicts(conflicts=conflicts, next=next_page(request, page.next_page_token))
    return json_answer(request, answer)
