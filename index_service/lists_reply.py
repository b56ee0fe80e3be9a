"""From rows of lists to response messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from event_store.select.file_events import FileEvents
from event_store.select.lists import ConflictRow, DatasetRow, FileRow
from event_store.select.paging import PageOf, Rows
from event_store.select.run_list import RunRow
from eventindex.v1 import event_pb2, lookup_pb2
from index_service import page_token
from index_service.provenance import Family
from service_kit.messages import conflict_message, dataset_message

# Bytes of the rows in one response; a message may have 16 MiB.
_RESPONSE_BYTES_MAX = 8 * 1024 * 1024

Item = TypeVar("Item", bound=Message)


def runs_response(
    request: lookup_pb2.ListRunsRequest, page: PageOf, found: Rows[RunRow]
) -> lookup_pb2.ListRunsResponse:
    """Return a page of runs."""
    runs, token = _fill(request, page, found, _run)
    return lookup_pb2.ListRunsResponse(runs=runs, next_page_token=token)


def datasets_response(
    request: lookup_pb2.ListDatasetsRequest, page: PageOf, found: Rows[DatasetRow]
) -> lookup_pb2.ListDatasetsResponse:
    """Return a page of datasets."""
    datasets, token = _fill(request, page, found, dataset_message)
    return lookup_pb2.ListDatasetsResponse(datasets=datasets, next_page_token=token)


def files_response(
    request: lookup_pb2.ListFilesRequest,
    page: PageOf,
    found: Rows[FileRow],
    named: Sequence[event_pb2.RawFile] | None = None,
) -> lookup_pb2.ListFilesResponse:
    """Return a page of RAW files; `named` are those of the rows where names are asked for."""
    files_of_rows = iter(named or map(raw_file, found.rows))
    files, token = _fill(request, page, found, lambda row: _file(row, next(files_of_rows)))
    return lookup_pb2.ListFilesResponse(files=files, next_page_token=token)


def conflicts_response(
    request: lookup_pb2.ListConflictsRequest, page: PageOf, found: Rows[ConflictRow]
) -> lookup_pb2.ListConflictsResponse:
    """Return a page of conflicts."""
    conflicts, token = _fill(request, page, found, conflict_message)
    return lookup_pb2.ListConflictsResponse(conflicts=conflicts, next_page_token=token)


def file_response(
    rows: Sequence[FileRow],
    files: Sequence[event_pb2.RawFile],
    events: Iterable[event_pb2.EventBatch],
    family: Family,
) -> lookup_pb2.GetFileResponse:
    """Return a RAW file over its runs, and the files that its events came from and went into."""
    return lookup_pb2.GetFileResponse(
        runs=map(_file, rows, files),
        events=events,
        parents=family.parents,
        children=family.children,
    )


def batches(
    rows: Sequence[FileRow], files: Sequence[event_pb2.RawFile], found: Iterable[FileEvents]
) -> list[event_pb2.EventBatch]:
    """Return the events of a RAW file, a batch for each run and dataset, numbered from 1."""
    keys = [(row.run_number, row.dsid_raw) for row in rows]
    by_key = dict(zip(keys, files, strict=True))
    # What was stored since the rows were read is the same file's.
    first = files[0]
    return [
        event_pb2.EventBatch(
            batch_id=batch_id,
            files=[by_key.get((part.run_number, part.dsid)) or _in_dataset(first, part.dsid)],
            run_numbers=[part.run_number],
            event_numbers=part.events.tolist(),
            file_indexes=[1] * len(part.events),
            olt_results=part.olt.tolist() if part.olt.any() else None,
        )
        for batch_id, part in enumerate(found, start=1)
    ]


def _fill(
    request: Message, page: PageOf, found: Rows[Any], make: Callable[[Any], Item]
) -> tuple[list[Item], str]:
    """Return the messages of as many rows as a response holds, and the token of what follows."""
    items: list[Item] = []
    size = 0
    for row in found.rows:
        item = make(row)
        size += item.ByteSize()
        if items and size > _RESPONSE_BYTES_MAX:
            break
        items.append(item)
    if not found.more and len(items) == len(found.rows):
        return items, ""
    return items, page_token.encode(request, page.columns, found.rows[len(items) - 1])


def _run(row: RunRow) -> lookup_pb2.Run:
    run = lookup_pb2.Run(
        run_number=row.run_number,
        events=row.n_events,
        event_first=row.first_event,
        event_last=row.last_event,
        files=row.n_files,
        conflicts=row.n_conflicts,
        detector_id=row.detector_id,
        collection=row.collection,
    )
    run.first_seen.FromDatetime(row.first_seen)
    run.last_seen.FromDatetime(row.last_seen)
    return run


def raw_file(row: FileRow) -> event_pb2.RawFile:
    """Return the file of a row, without what is noted of it."""
    return event_pb2.RawFile(
        fuid_raw=row.fuid_raw, dsid_raw=row.dsid_raw, dataset_state=_state(row.state)
    )


def _in_dataset(file: event_pb2.RawFile, dsid: int) -> event_pb2.RawFile:
    return event_pb2.RawFile(fuid_raw=file.fuid_raw, dsid_raw=dsid)


def _file(row: FileRow, file: event_pb2.RawFile) -> lookup_pb2.FileOfRun:
    return lookup_pb2.FileOfRun(
        file=file,
        run_number=row.run_number,
        events=row.n_events,
        event_first=row.first_event,
        event_last=row.last_event,
        collection=row.collection,
    )


def _state(state: int) -> event_pb2.DatasetState:
    return event_pb2.DatasetState.Name(state)  # type: ignore[return-value]
