"""Pages without the events of a dataset, or with another value of an event. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from event_store.arrays import number_values
from event_store.model import Int64, RawFile
from event_store.pages.format import SLOT_BITS, SLOT_MASK, PackedPage, PageEvents, pack, unpack
from event_store.pages.merge import BatchFiles


class Removed(NamedTuple):
    """What is left of a page, and what went.

    Attributes:
        page: the page without the events.
        events: int64, the removed event numbers, ascending.
        files: how many of them each RAW file had, by its id of 16 bytes.
    """

    page: PackedPage
    events: Int64
    files: dict[bytes, int]


class Replaced(NamedTuple):
    """A page with another value of an event, and the file (id, dataset) that it had."""

    page: PackedPage
    old_file: tuple[bytes, int]


def remove_dataset(page_no: int, page: PackedPage, dsid: int) -> Removed:
    """Take the events of a dataset out of a page.

    Raises:
        CorruptPageError: the page contradicts itself.
    """
    events = unpack(page)
    goes = events.dsids[events.file_index] == dsid
    counts = np.bincount(events.file_index[goes], minlength=len(events.fuids))
    used, place = number_values(events.file_index[~goes].astype(np.intp), len(events.fuids))
    index = place.astype(np.uint16)
    left = PageEvents(
        events.slots[~goes], index, events.olt[~goes], events.fuids[used], events.dsids[used]
    )
    return Removed(
        pack(left),
        (page_no << SLOT_BITS) + events.slots[goes].astype(np.int64),
        {events.fuids[i].tobytes(): int(counts[i]) for i in np.flatnonzero(counts).tolist()},
    )


def replace_event(page: PackedPage, event: int, file: RawFile, olt: int) -> Replaced | None:
    """Give an event of a page another file and `olt_result`; None when it is not there.

    Raises:
        CorruptPageError: the page contradicts itself.
    """
    events = unpack(page)
    found = np.flatnonzero(events.slots == (event & SLOT_MASK))
    if not len(found):
        return None
    at, table = int(found[0]), BatchFiles([file])
    files = table.add_page(events)[events.file_index]
    olts = events.olt.copy()
    old = int(events.file_index[at])
    files[at], olts[at] = table.number[0], olt
    used, place = number_values(files, len(table))
    index = place.astype(np.uint16)
    fuids, dsids = table.arrays()
    changed = PageEvents(events.slots, index, olts, fuids[used], dsids[used])
    return Replaced(pack(changed), (events.fuids[old].tobytes(), int(events.dsids[old])))
