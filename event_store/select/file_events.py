"""All events of one RAW file, out of the pages of its runs. Never writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from event_store.database.connection import Connection
from event_store.model import Int64, UInt64
from event_store.pages.copy import ScannedPage
from event_store.select.scan import Scan
from event_store.select.selection import Selection, select, take


class FileEvents(NamedTuple):
    """A file's events of one run and dataset, ascending; arrays of one length."""

    run_number: int
    dsid: int
    events: Int64
    olt: UInt64


class TooManyEventsError(Exception):
    """The file has more events than asked for at most."""


def _pages(connection: Connection, selection: Selection) -> Iterator[ScannedPage]:
    scan = Scan(selection, with_olt=True, with_files=True)
    while pages := scan.read(connection):
        yield from pages


def read_file_events(
    connection: Connection, fuid_raw: str, events_max: int, collections: Sequence[int]
) -> list[FileEvents]:
    """Return the events of a file in some collections, by run and dataset, ascending.

    Raises:
        TooManyEventsError: more than `events_max`.
        StoreUnavailableError: the database did not answer.
    """
    fuid = uuid.UUID(fuid_raw).bytes
    parts: dict[tuple[int, int], list[tuple[Int64, UInt64]]] = {}
    total = 0
    for collection in collections:
        selection = Selection(fuid=fuid, collection=collection)
        for run, page_no, page in _pages(connection, selection):
            chosen = take(page, page_no, select(page, page_no, selection))
            total += len(chosen.events)
            if total > events_max:
                raise TooManyEventsError
            dsids = page.dsids[chosen.file_index]
            for dsid in np.unique(dsids).tolist():
                here = dsids == dsid
                parts.setdefault((run, dsid), []).append((chosen.events[here], chosen.olt[here]))
    return [
        FileEvents(
            run,
            dsid,
            np.concatenate([events for events, _ in part]),
            np.concatenate([olt for _, olt in part]),
        )
        for (run, dsid), part in sorted(parts.items())
    ]
