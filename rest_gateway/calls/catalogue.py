"""Runs, datasets, RAW files and conflicts: lists in pages that link to the next."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from eventindex.datasets import to_wire_state
from eventindex.limits import DSID_MAX, NAME_BYTES_MAX
from eventindex.results import DatasetState
from eventindex.v1 import lookup_pb2
from rest_gateway.answers import schemas
from rest_gateway.answers.documents import conflict_document, dataset_document, file_document
from rest_gateway.answers.schemas import Number
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import (
    CollectionName,
    FileNamesQuery,
    InCollection,
    PageQuery,
    PathDsid,
    PathNumber,
    check_range,
    next_page,
)
from rest_gateway.openapi.contract import document, problems_of
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


class FilesQuery(PageQuery, FileNamesQuery, InCollection):
    """Which RAW files, in which order."""

    run: Number | None = Field(None, description="Files of one run.")
    dataset: int | None = Field(None, ge=0, le=DSID_MAX, description="Files of one dataset.")
    name: str = Field(
        "",
        max_length=NAME_BYTES_MAX,
        description="Files with such a name: * is any text, ? one character.",
    )
    order_by: Literal[
        "run_number", "run_number desc", "fuid_raw", "fuid_raw desc", "events", "events desc"
    ] = "run_number"


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
