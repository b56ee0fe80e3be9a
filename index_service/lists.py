"""The lists of IndexService, and what it says of one RAW file: request, plan, fetch, reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import NotFoundError
from event_store.model import RAW, RAW_NAME
from event_store.select import lists
from event_store.select.collections import (
    CollectionRow,
    collection_number,
    collection_numbers,
    collection_of_dataset,
    collections_of_file,
    collections_of_runs,
    list_collections,
)
from event_store.select.existence import require_dataset, require_detector, require_run, run_exists
from event_store.select.file_events import FileEvents, TooManyEventsError, read_file_events
from event_store.select.paging import Rows
from event_store.select.run_list import RunRow, list_runs
from event_store.telescope.names import cosmic_collection
from eventindex.told import told
from eventindex.v1 import event_pb2, lookup_pb2
from index_service import lists_plan, lists_reply, provenance
from index_service.file_names import Names
from service_kit import checks
from service_kit.errors import InvalidRequestError
from service_kit.messages import collection_message, dataset_message
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

# Rows (run, dataset) of one file in one response.
_FILE_ROWS_MAX = 50_000

T = TypeVar("T")


class Catalogue:
    """Answers from the tables beside the pages."""

    def __init__(self, threads: DatabaseThreads, names: Names) -> None:
        self._threads = threads
        self._names = names

    async def ListRuns(self, request: lookup_pb2.ListRunsRequest) -> lookup_pb2.ListRunsResponse:
        """Return a page of runs."""
        planned = lists_plan.plan_runs(request)

        def fetch(cursor: Cursor) -> Rows[RunRow]:
            require_detector(cursor, planned.detector_id)
            collections = _collections_of_runs(cursor, request)
            run = planned.run
            if (
                run is not None
                and collections is not None
                and not any(run_exists(cursor, run, number) for number in collections)
            ):
                require_run(cursor, run, collections[0])
            return list_runs(
                cursor,
                planned.page,
                run_first=planned.runs.first,
                run_last=planned.runs.last,
                detector_id=planned.detector_id,
                collections=collections,
                numbers=planned.numbers,
            )

        return lists_reply.runs_response(request, planned.page, await self._fetch(fetch))

    async def ListDatasets(
        self, request: lookup_pb2.ListDatasetsRequest
    ) -> lookup_pb2.ListDatasetsResponse:
        """Return a page of datasets."""
        planned = lists_plan.plan_datasets(request)

        def fetch(cursor: Cursor) -> Rows[lists.DatasetRow]:
            name = request.collection
            return lists.list_datasets(
                cursor,
                planned.page,
                state=planned.state,
                name_contains=planned.name_contains,
                collection=collection_number(cursor, name) if name else None,
            )

        return lists_reply.datasets_response(request, planned.page, await self._fetch(fetch))

    async def GetDataset(
        self, request: lookup_pb2.GetDatasetRequest
    ) -> lookup_pb2.GetDatasetResponse:
        """Return one dataset by its number or its name."""
        dsid, name = lists_plan.plan_dataset(request)
        row = await self._fetch(lambda cursor: lists.get_dataset(cursor, dsid=dsid, name=name))
        if row is None:
            if dsid is None:
                raise NotFoundError(
                    told(
                        "DATASET_NAME_NOT_FOUND",
                        "name={name} is not in the index",
                        name=f"{name!r}",
                    )
                )
            raise NotFoundError(
                told("DATASET_NOT_FOUND", "dsid_raw={dataset} is not in the index", dataset=dsid)
            )
        return lookup_pb2.GetDatasetResponse(dataset=dataset_message(row))

    async def ListFiles(self, request: lookup_pb2.ListFilesRequest) -> lookup_pb2.ListFilesResponse:
        """Return a page of RAW files, one row for each run and dataset."""
        planned = lists_plan.plan_files(request)

        def fetch(cursor: Cursor) -> Rows[lists.FileRow]:
            collection = chosen_collection(cursor, request.collection, planned.dsid)
            require_run(cursor, planned.run, collection)
            return lists.list_files(
                cursor,
                planned.page,
                run_number=planned.run,
                dsid=planned.dsid,
                collection=collection,
                name_pattern=planned.name_pattern,
            )

        rows = await self._fetch(fetch)
        if not request.with_file_names:
            return lists_reply.files_response(request, planned.page, rows)
        files = [lists_reply.raw_file(row) for row in rows.rows]
        await self._fill_names(files, [row.run_number for row in rows.rows])
        return lists_reply.files_response(request, planned.page, rows, files)

    async def ListConflicts(
        self, request: lookup_pb2.ListConflictsRequest
    ) -> lookup_pb2.ListConflictsResponse:
        """Return a page of conflicts."""
        planned = lists_plan.plan_conflicts(request)

        def fetch(cursor: Cursor) -> Rows[lists.ConflictRow]:
            collection = collection_number(cursor, request.collection or RAW_NAME)
            require_run(cursor, planned.run, collection)
            return lists.list_conflicts(
                cursor,
                planned.page,
                run_number=planned.run,
                with_resolved=planned.with_resolved,
                collection=collection,
            )

        return lists_reply.conflicts_response(request, planned.page, await self._fetch(fetch))

    async def GetFile(self, request: lookup_pb2.GetFileRequest) -> lookup_pb2.GetFileResponse:
        """Return a RAW file over its runs, and on request its events."""
        provenance.plan(request)
        fuid = await self._fuid(request)
        rows = await self._fetch(lambda cursor: lists.file_rows(cursor, fuid, _FILE_ROWS_MAX + 1))
        if not rows:
            raise NotFoundError(
                told("FILE_NOT_FOUND", "fuid_raw={file} is not in the index", file=fuid)
            )
        if len(rows) > _FILE_ROWS_MAX:
            raise lists_plan.too_many_runs(fuid, _FILE_ROWS_MAX)
        files = [lists_reply.raw_file(row) for row in rows]
        if request.with_file_names:
            await self._fill_names(files, [row.run_number for row in rows])
        family = await provenance.read(self._threads, request, fuid)
        if request.with_file_names:
            related = [file.file for file in (*family.parents, *family.children)]
            await self._fill_names(related, [rows[0].run_number] * len(related))
        if not request.with_events:
            return lists_reply.file_response(rows, files, [], family)
        _check_size(fuid, sum(row.n_events for row in rows))
        collections = await self._fetch(lambda cursor: collections_of_file(cursor, fuid))
        events = await self._threads.run(
            lambda connection: _file_events(connection, fuid, collections)
        )
        batches = lists_reply.batches(rows, files, events)
        return lists_reply.file_response(rows, files, batches, family)

    async def _fuid(self, request: lookup_pb2.GetFileRequest) -> str:
        """Find the file that is asked for by its id or its name."""
        name = lists_plan.plan_file_name(request)
        if name is None:
            return str(checks.fuid(request.fuid_raw))
        fuids = await self._fetch(lambda cursor: lists.fuids_of_name(cursor, name, 3))
        if not fuids:
            raise NotFoundError(
                told(
                    "FILE_NAME_NOT_FOUND", "name={name} is not the name of a file", name=f"{name!r}"
                )
            )
        if len(fuids) > 1:
            raise lists_plan.several_files(name, fuids)
        return fuids[0]

    async def _fill_names(self, files: list[event_pb2.RawFile], runs: list[int | None]) -> None:
        await self._threads.run(lambda connection: self._names.fill(connection, files, runs))

    async def ListCollections(
        self, request: lookup_pb2.ListCollectionsRequest
    ) -> lookup_pb2.ListCollectionsResponse:
        """Return all collections, or those that hold one of some runs."""
        runs = lists_plan.plan_collections(request)

        def fetch(cursor: Cursor) -> list[CollectionRow]:
            rows = list_collections(cursor)
            if not runs:
                return rows
            holding = set(collections_of_runs(cursor, runs))
            return [row for row in rows if row.name in holding]

        rows = await self._fetch(fetch)
        return lookup_pb2.ListCollectionsResponse(collections=map(collection_message, rows))

    async def _fetch(self, work: Callable[[Cursor], T]) -> T:
        def run(connection: Connection) -> T:
            with connection.cursor() as cursor:
                return work(cursor)

        return await self._threads.run(run)


def _collections_of_runs(cursor: Cursor, request: lookup_pb2.ListRunsRequest) -> list[int] | None:
    """Return where to look for runs: those of a telescope are in its own, or of before, in 'raw'.

    None means everywhere.

    Raises:
        UnknownCollectionError: there is none of the name that is asked for.
        InvalidRequestError: one and all are asked for.
    """
    if request.all_collections:
        if request.collection:
            raise InvalidRequestError(
                told(
                    "COLLECTION_AND_ALL",
                    "collection={collection} and all_collections: give one",
                    collection=repr(request.collection[:80]),
                )
            )
        return None
    if request.collection or not request.detector_id:
        return [collection_number(cursor, request.collection or RAW_NAME)]
    own = cosmic_collection(request.detector_id)
    return [RAW, *collection_numbers(cursor, [own]).values()]


def chosen_collection(
    cursor: Cursor, name: str, dsid: int | None, fuid: bytes | None = None
) -> int:
    """Return the collection that is asked: by its name, else that of dataset or file, else 'raw'.

    Raises:
        UnknownCollectionError: there is none of this name.
        NotFoundError: the dataset is not in the index.
        InvalidRequestError: it belongs to another collection.
    """
    require_dataset(cursor, dsid)
    if dsid is None:
        own = collections_of_file(cursor, fuid.hex()) if fuid is not None and not name else []
        return own[0] if len(own) == 1 else collection_number(cursor, name or RAW_NAME)
    number, of_dataset = collection_of_dataset(cursor, dsid)
    if name and collection_number(cursor, name) != number:
        raise InvalidRequestError(
            told(
                "DATASET_OF_OTHER_COLLECTION",
                "dsid_raw={dataset} belongs to collection={collection}, not to {asked}",
                dataset=dsid,
                collection=f"{of_dataset!r}",
                asked=f"{name!r}",
            )
        )
    return number


def _file_events(connection: Connection, fuid: str, collections: Sequence[int]) -> list[FileEvents]:
    try:
        return read_file_events(connection, fuid, PAIRS_PER_MESSAGE_MAX, collections)
    except TooManyEventsError:
        raise lists_plan.too_many_events(fuid, f"more than {PAIRS_PER_MESSAGE_MAX:,}") from None


def _check_size(fuid: str, events: int) -> None:
    if events > PAIRS_PER_MESSAGE_MAX:
        raise lists_plan.too_many_events(fuid, f"{events:,}")
