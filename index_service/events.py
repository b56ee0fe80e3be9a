"""ListEvents: the events of a selection as column batches, page by page."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor

from event_store.arrays import number_values
from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import CorruptPageError
from event_store.model import DatasetState, Int64, fuid_text
from event_store.pages.copy import ScannedPage
from event_store.select.collections import collection_number
from event_store.select.existence import require_file, require_run
from event_store.select.scan import Scan
from event_store.select.selection import Selection
from event_store.select.stacked import Chosen, choose
from event_store.write.catalogue import closed_states
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire import packed_field
from index_service.events_plan import NAMES_MAX, ListPlan, plan_list, plan_names
from index_service.file_names import Names
from index_service.lists import chosen_collection

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
    olt: npt.NDArray[np.unsignedinteger]
    keys: Sequence[tuple[bytes, int]]

    def first(self, events: int) -> Columns:
        """Return the first so many events."""
        return replace(
            self, events=self.events[:events], files=self.files[:events], olt=self.olt[:events]
        )


class EventLists:
    """The methods of IndexService that list events."""

    def __init__(self, threads: DatabaseThreads, names: Names) -> None:
        self._threads = threads
        self._names = names

    async def ListEvents(self, request: lookup_pb2.ListEventsRequest) -> AsyncIterator[bytes]:
        """Yield the events of a selection, ascending; the next pages are read while these leave."""
        planned = plan_list(request)
        selection, states = await self._threads.run(
            lambda connection: _prepare(connection, planned.selection, request.selection)
        )
        pages = Scan(selection, after=planned.after_page, with_olt=True, with_files=True)
        left = planned.events_max
        known = None if request.with_file_names else states
        async with aclosing(scanned(self._threads, pages)) as pieces:
            async for found in pieces:
                for part, message in await asyncio.to_thread(_parts, found, planned, left, known):
                    yield message or await self._threads.run(
                        partial(self._encode_named, part, states)
                    )
                    left = None if left is None else left - len(part.events)
                if left is not None and left <= 0:
                    return

    def _encode_named(
        self, columns: Columns, states: Mapping[int, DatasetState], connection: Connection
    ) -> bytes:
        def fill(files: Sequence[event_pb2.RawFile]) -> None:
            self._names.fill(connection, files, [columns.run_number] * len(files))

        return encode(columns, states, fill)


async def scanned(
    threads: DatabaseThreads, pages: Scan
) -> AsyncGenerator[Sequence[ScannedPage], None]:
    """Yield the pages of a scan, piece by piece; one piece is read ahead of the work."""
    ahead = asyncio.create_task(threads.run(pages.read))
    try:
        while found := await ahead:
            ahead = asyncio.create_task(threads.run(pages.read))
            yield found
    finally:
        ahead.cancel()


def resolve(
    connection: Connection, selection: Selection, message: lookup_pb2.EventSelection
) -> Selection:
    """Return a selection with the collections of its message, once what it names is there.

    An empty answer would hide a mistake.

    Raises:
        NotFoundError: the one run, the dataset or the file of the selection is not in the index.
        UnknownCollectionError: there is no collection of a name.
        InvalidRequestError: the dataset belongs to another one, or a name is there twice.
    """
    with connection.cursor() as cursor:
        number = chosen_collection(cursor, message.collection, selection.dsid, selection.fuid)
        one = selection.run_first == selection.run_last
        require_run(cursor, selection.run_first if one else None, number)
        require_file(cursor, selection.fuid, number)
        return replace(
            selection,
            collection=number,
            also_in=_numbers(cursor, "also_in", message.also_in),
            not_in=_numbers(cursor, "not_in", message.not_in),
            olt_from=(collection_number(cursor, message.olt_from) if message.olt_from else None),
        )


def _numbers(cursor: Cursor, field: str, names: Sequence[str]) -> tuple[int, ...]:
    return tuple(collection_number(cursor, name) for name in plan_names(field, names, NAMES_MAX))


def batches(pages: Sequence[ScannedPage], planned: ListPlan) -> Iterator[Columns]:
    """Yield the selected events of some pages, of one run and as many as a message takes each."""
    chosen = choose(pages, planned.selection)
    files, keys = _number_files(pages, chosen)
    runs = np.array([page.run_number for page in pages], np.int64)
    first_pages = np.flatnonzero(np.diff(runs, prepend=-1))
    starts = np.searchsorted(chosen.page, [*first_pages.tolist(), len(pages)])
    for run_number, (first, stop) in zip(
        runs[first_pages].tolist(), itertools.pairwise(starts.tolist()), strict=True
    ):
        start = first
        if run_number == planned.after_run:
            start += int(np.searchsorted(chosen.events[first:stop], planned.after_event, "right"))
        for at in range(start, stop, planned.batch_events_max):
            part = slice(at, min(at + planned.batch_events_max, stop))
            yield Columns(run_number, chosen.events[part], files[part], chosen.olt[part], keys)


def _prepare(
    connection: Connection, selection: Selection, message: lookup_pb2.EventSelection
) -> tuple[Selection, dict[int, DatasetState]]:
    selection = resolve(connection, selection, message)
    with connection.cursor() as cursor:
        return selection, closed_states(cursor)


def _parts(
    pages: Sequence[ScannedPage],
    planned: ListPlan,
    left: int | None,
    states: Mapping[int, DatasetState] | None,
) -> list[tuple[Columns, bytes]]:
    """Return the first `left` events of some pages, and the message of each part.

    Without `states` nothing is encoded.
    """
    parts = []
    for columns in batches(pages, planned):
        if left is not None and left <= 0:
            break
        part = columns if left is None else columns.first(left)
        left = None if left is None else left - len(part.events)
        parts.append((part, b"" if states is None else encode(part, states)))
    return parts


def encode(
    columns: Columns,
    states: Mapping[int, DatasetState],
    fill: Callable[[Sequence[event_pb2.RawFile]], None] | None = None,
) -> bytes:
    """Serialize the EventBatch of some events; `states` names the datasets that are not open.

    `fill` puts in what is noted of the files.
    """
    used, index = number_values(columns.files, len(columns.keys))
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
    if fill is not None:
        fill(head.files)
    return b"".join(
        (
            head.SerializeToString(),
            packed_field(_EVENT_NUMBERS, columns.events),
            packed_field(_FILE_INDEXES, index.astype(np.uint32) + 1),
            packed_field(_OLT_RESULTS, columns.olt) if columns.olt.any() else b"",
        )
    )


def _number_files(
    pages: Sequence[ScannedPage], chosen: Chosen
) -> tuple[npt.NDArray[np.intp], list[tuple[bytes, int]]]:
    """Return the place of each event's file among all files of some pages: (id, dataset)."""
    sizes = [len(page.page.fuids) for page in pages]
    if (chosen.file_index >= np.array(sizes).take(chosen.page)).any():
        raise CorruptPageError("a file index beyond the files of its page")
    fuids = np.concatenate([page.page.fuids for page in pages]).tolist()
    dsids = np.concatenate([page.page.dsids for page in pages]).tolist()
    places: dict[tuple[bytes, int], int] = {}
    of_file = [places.setdefault(key, len(places)) for key in zip(fuids, dsids, strict=True)]
    first = np.cumsum([0, *sizes[:-1]])
    return np.array(of_file, np.intp).take(first.take(chosen.page) + chosen.file_index), list(
        places
    )
