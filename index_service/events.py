"""ListEvents: the events of a selection as column batches, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from event_store import scan
from event_store.catalogue import closed_states, fuid_text
from event_store.database import Connection
from event_store.merge import number_files
from event_store.model import DatasetState, Int64, UInt64
from event_store.pagecopy import ScannedPage
from event_store.scan import Scan
from event_store.selection import Selection, select, take
from event_store.threads import DatabaseThreads
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire import packed_field
from index_service.errors import InvalidRequestError, NotFoundError
from index_service.selection_plan import ListPlan, plan_list

_FIELDS = event_pb2.EventBatch.DESCRIPTOR.fields_by_name
_EVENT_NUMBERS = _FIELDS["event_numbers"].number
_FILE_INDEXES = _FIELDS["file_indexes"].number
_OLT_RESULTS = _FIELDS["olt_results"].number


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one run, ascending; `files` are places in `keys`: (id of 16 bytes, dataset)."""

    run_number: int
    events: Int64
    files: npt.NDArray[np.intp]
    olt: UInt64
    keys: Sequence[tuple[bytes, int]]

    def take(self, where: npt.NDArray[np.bool_] | slice) -> Columns:
        """Some of the events."""
        return replace(
            self, events=self.events[where], files=self.files[where], olt=self.olt[where]
        )

    def first(self, events: int) -> Columns:
        """The first so many events."""
        return self.take(slice(events))


class EventLists:
    """The methods of IndexService that list events."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def ListEvents(  # noqa: N802
        self, request: lookup_pb2.ListEventsRequest
    ) -> AsyncIterator[bytes]:
        """The events of a selection, ascending; the next pages are read while these leave."""
        planned = plan_list(request)
        states = await self._threads.run(lambda connection: _prepare(connection, planned.selection))
        pages = Scan(planned.selection, after=planned.after_page, with_olt=True, with_files=True)
        left = planned.events_max
        async with aclosing(scanned(self._threads, pages)) as pieces:
            async for found in pieces:
                for columns in await asyncio.to_thread(_all_batches, found, planned):
                    yield encode(columns if left is None else columns.first(left), states)
                    if left is not None:
                        left -= len(columns.events)
                        if left <= 0:
                            return


async def scanned(
    threads: DatabaseThreads, pages: Scan
) -> AsyncGenerator[Sequence[ScannedPage], None]:
    """The pages of a scan, piece by piece; one piece is read ahead, while another is worked on."""
    ahead = asyncio.create_task(threads.run(pages.read))
    try:
        while found := await ahead:
            ahead = asyncio.create_task(threads.run(pages.read))
            yield found
    finally:
        ahead.cancel()


def check_exists(connection: Connection, selection: Selection) -> None:
    """What is asked for by number must be there: an empty answer would hide a mistake.

    Raises:
        NotFoundError: the one run or the file of the selection is not in the index.
        InvalidRequestError: there is no such dataset.
    """
    with connection.cursor() as cursor:
        run = selection.run_first
        if run == selection.run_last and not scan.run_exists(cursor, run):
            raise NotFoundError(f"run {run} is not in the index")
        if selection.dsid is not None and not scan.dataset_exists(cursor, selection.dsid):
            raise InvalidRequestError(f"dsid_raw={selection.dsid} is not a dataset of the index")
        if selection.fuid is not None and not scan.file_exists(cursor, selection.fuid):
            raise NotFoundError(f"RAW file {fuid_text(selection.fuid)} is not in the index")


def batches(pages: Sequence[ScannedPage], planned: ListPlan) -> Iterator[Columns]:
    """The selected events of some pages, of one run and as many as a message takes each."""
    first = 0
    for index in range(1, len(pages) + 1):
        if index == len(pages) or pages[index].run_number != pages[first].run_number:
            run = _columns(pages[first:index], planned.selection)
            if run.run_number == planned.after_run:
                run = run.take(run.events > planned.after_event)
            for start in range(0, len(run.events), planned.batch_events_max):
                yield run.take(slice(start, start + planned.batch_events_max))
            first = index


def _prepare(connection: Connection, selection: Selection) -> dict[int, DatasetState]:
    check_exists(connection, selection)
    with connection.cursor() as cursor:
        return closed_states(cursor)


def _all_batches(pages: Sequence[ScannedPage], planned: ListPlan) -> list[Columns]:
    return list(batches(pages, planned))


def encode(columns: Columns, states: Mapping[int, DatasetState]) -> bytes:
    """The EventBatch of some events, serialized; `states` names the datasets that are not open."""
    used, index = number_files(columns.files, len(columns.keys))
    head = event_pb2.EventBatch(
        files=[
            event_pb2.RawFile(
                fuid_raw=fuid_text(fuid),
                dsid_raw=dsid,
                dataset_state=event_pb2.DatasetState.Name(states.get(dsid, DatasetState.OPEN)),
            )
            for fuid, dsid in (columns.keys[number] for number in used.tolist())
        ],
        run_numbers=[columns.run_number],
    )
    return b"".join(
        (
            head.SerializeToString(),
            packed_field(_EVENT_NUMBERS, columns.events),
            packed_field(_FILE_INDEXES, index.astype(np.uint32) + 1),
            packed_field(_OLT_RESULTS, columns.olt) if columns.olt.any() else b"",
        )
    )


def _columns(pages: Sequence[ScannedPage], selection: Selection) -> Columns:
    """The selected events of pages of one run."""
    numbers: dict[tuple[bytes, int], int] = {}
    chosen = []
    for _, page_no, page in pages:
        events, index, olt = take(page, page_no, select(page, page_no, selection))
        keys = zip(page.fuids.tolist(), page.dsids.tolist(), strict=True)
        number = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)
        chosen.append((events, number[index], olt))
    return Columns(
        pages[0].run_number,
        np.concatenate([part[0] for part in chosen]),
        np.concatenate([part[1] for part in chosen]),
        np.concatenate([part[2] for part in chosen]),
        list(numbers),
    )
