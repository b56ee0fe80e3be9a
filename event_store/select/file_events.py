"""All events of one RAW file, out of the pages of its runs. Never writes."""

from __future__ import annotations

import uuid
from typing import NamedTuple

import numpy as np

from event_store.database.connection import Connection
from event_store.model import Int64, UInt64
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


def read_file_events(connection: Connection, fuid_raw: str, events_max: int) -> list[FileEvents]:
    """Return the events of a file, by run and dataset, ascending.

    Raises:
        TooManyEventsError: more than `events_max`.
        StoreUnavailableError: the database did not answer.
    """
    selection = Selection(fuid=uuid.UUID(fuid_raw).bytes)
    scan = Scan(selection, with_olt=True, with_files=True)
    parts: dict[tuple[int, int], list[tuple[Int64, UInt64]]] = {}
    total = 0
    while pages := scan.read(connection):
        for run, page_no, page in pages:
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
