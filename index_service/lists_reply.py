"""From rows of lists to response messages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from event_store.select.file_events import FileEvents
from event_store.select.lists import ConflictRow, DatasetRow, FileRow, PageOf, Rows, RunRow
from eventindex.v1 import event_pb2, lookup_pb2
from index_service import page_token
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
    request: lookup_pb2.ListFilesRequest, page: PageOf, found: Rows[FileRow]
) -> lookup_pb2.ListFilesResponse:
    """Return a page of RAW files."""
    files, token = _fill(request, page, found, _file)
    return lookup_pb2.ListFilesResponse(files=files, next_page_token=token)


def conflicts_response(
    request: lookup_pb2.ListConflictsRequest, page: PageOf, found: Rows[ConflictRow]
) -> lookup_pb2.ListConflictsResponse:
    """Return a page of conflicts."""
    conflicts, token = _fill(request, page, found, conflict_message)
    return lookup_pb2.ListConflictsResponse(conflicts=conflicts, next_page_token=token)


def file_response(
    rows: Sequence[FileRow], events: Iterable[event_pb2.EventBatch]
) -> lookup_pb2.GetFileResponse:
    """Return a RAW file over its runs."""
    return lookup_pb2.GetFileResponse(runs=map(_file, rows), events=events)


def batches(
    fuid: str, rows: Sequence[FileRow], found: Iterable[FileEvents]
) -> list[event_pb2.EventBatch]:
    """Return the events of a RAW file, a batch for each run and dataset, numbered from 1."""
    states = {row.dsid_raw: _state(row.state) for row in rows}
    return [
        event_pb2.EventBatch(
            batch_id=batch_id,
            files=[
                event_pb2.RawFile(
                    fuid_raw=fuid, dsid_raw=part.dsid, dataset_state=states.get(part.dsid)
                )
            ],
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


def _file(row: FileRow) -> lookup_pb2.FileOfRun:
    return lookup_pb2.FileOfRun(
        file=event_pb2.RawFile(
            fuid_raw=row.fuid_raw, dsid_raw=row.dsid_raw, dataset_state=_state(row.state)
        ),
        run_number=row.run_number,
        events=row.n_events,
        event_first=row.first_event,
        event_last=row.last_event,
        collection=row.collection,
    )


def _state(state: int) -> event_pb2.DatasetState:
    return event_pb2.DatasetState.Name(state)  # type: ignore[return-value]
