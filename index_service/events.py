"""ListEvents: the events of a selection as column batches, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from event_store import scan
from event_store.catalogue import fuid_text
from event_store.database import Connection
from event_store.model import Int64, UInt64
from event_store.page import FUID_DTYPE
from event_store.pagecopy import ScannedPage
from event_store.scan import Scan
from event_store.selection import Selection, select, take
from eventindex.v1 import event_pb2, lookup_pb2
from index_service.errors import NotFoundError
from index_service.selection_plan import ListPlan, plan_list
from index_service.threads import DatabaseThreads


class EventLists:
    """The methods of IndexService that list events."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def ListEvents(  # noqa: N802
        self, request: lookup_pb2.ListEventsRequest
    ) -> AsyncIterator[event_pb2.EventBatch]:
        """The events of a selection, ascending; the next pages are read when these have left."""
        planned = plan_list(request)
        await self._threads.run(lambda connection: check_exists(connection, planned.selection))
        pages = Scan(planned.selection, after=planned.after_page, with_olt=True, with_files=True)

        def read(connection: Connection) -> list[event_pb2.EventBatch] | None:
            found = pages.read(connection)
            return list(batches(found, planned)) if found else None

        left = planned.events_max
        while (made := await self._threads.run(read)) is not None:
            for batch in made:
                if left is not None and len(batch.event_numbers) > left:
                    _cut(batch, left)
                yield batch
                if left is not None:
                    left -= len(batch.event_numbers)
                    if left <= 0:
                        return


def check_exists(connection: Connection, selection: Selection) -> None:
    """What is asked for by number must be there: an empty answer would hide a mistake.

    Raises:
        NotFoundError: the one run, the dataset or the file of the selection is not in the index.
    """
    with connection.cursor() as cursor:
        run = selection.run_first
        if run == selection.run_last and not scan.run_exists(cursor, run):
            raise NotFoundError(f"run {run} is not in the index")
        if selection.dsid is not None and not scan.dataset_exists(cursor, selection.dsid):
            raise NotFoundError(f"dataset dsid_raw={selection.dsid} is not in the index")
        if selection.fuid is not None and not scan.file_exists(cursor, selection.fuid):
            raise NotFoundError(f"RAW file {fuid_text(selection.fuid)} is not in the index")


def batches(pages: Sequence[ScannedPage], planned: ListPlan) -> Iterator[event_pb2.EventBatch]:
    """The selected events of some pages as messages of one run each."""
    first = 0
    for index in range(1, len(pages) + 1):
        if index == len(pages) or pages[index].run_number != pages[first].run_number:
            yield from _run_batches(pages[first:index], planned)
            first = index


def _run_batches(pages: Sequence[ScannedPage], planned: ListPlan) -> Iterator[event_pb2.EventBatch]:
    run = pages[0].run_number
    events, files, olt, keys = _columns(pages, planned.selection)
    if run == planned.after_run:
        new = events > planned.after_event
        events, files, olt = events[new], files[new], olt[new]
    for first in range(0, len(events), planned.batch_events_max):
        part = slice(first, first + planned.batch_events_max)
        used, index = np.unique(files[part], return_inverse=True)
        yield event_pb2.EventBatch(
            files=[
                event_pb2.RawFile(fuid_raw=fuid_text(fuid), dsid_raw=dsid)
                for fuid, dsid in (keys[number] for number in used.tolist())
            ],
            run_numbers=[run],
            event_numbers=events[part].tolist(),
            file_indexes=(index + 1).tolist(),
            olt_results=olt[part].tolist() if olt[part].any() else None,
        )


def _columns(
    pages: Sequence[ScannedPage], selection: Selection
) -> tuple[Int64, npt.NDArray[np.intp], UInt64, list[tuple[bytes, int]]]:
    """Selected events of one run, the number of the file of each, the masks, and the files."""
    numbers: dict[tuple[bytes, int], int] = {}
    chosen = []
    for _, page_no, page in pages:
        events, index, olt = take(page, page_no, select(page, page_no, selection))
        assert page.fuids.dtype == FUID_DTYPE  # noqa: S101
        keys = zip(page.fuids.tolist(), page.dsids.tolist(), strict=True)
        number = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)
        chosen.append((events, number[index], olt))
    return (
        np.concatenate([part[0] for part in chosen]),
        np.concatenate([part[1] for part in chosen]),
        np.concatenate([part[2] for part in chosen]),
        list(numbers),
    )


def _cut(batch: event_pb2.EventBatch, events: int) -> None:
    """Leave the first events of a batch, and the files that they use."""
    del batch.event_numbers[events:]
    del batch.file_indexes[events:]
    del batch.olt_results[events:]
    used = sorted(set(batch.file_indexes))
    files = [batch.files[index - 1] for index in used]
    place = {index: number + 1 for number, index in enumerate(used)}
    indexes = [place[index] for index in batch.file_indexes]
    del batch.files[:]
    batch.files.extend(files)
    batch.file_indexes[:] = indexes
