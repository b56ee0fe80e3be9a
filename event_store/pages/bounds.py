"""First and last events, of a run or of its RAW files, found again in the pages.

For the transactions that take events out. Works on their cursor.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database.statements import number_pieces
from event_store.pages.check import FileKey
from event_store.pages.format import SLOT_BITS, PackedPage, page_slots, unpack
from event_store.pages.store import read_pages

_PAGES_PER_QUERY = 16


def run_bound(
    cursor: Cursor, run_number: int, page_first: int, page_last: int, *, last: bool
) -> int | None:
    """Return the first (or last) event in a range of pages of a run; None when there is none."""
    cursor.execute(
        "SELECT page_no FROM event_page WHERE run_number = %s AND page_no BETWEEN %s AND %s "
        f"AND n_events > 0 ORDER BY page_no {'DESC' if last else ''} LIMIT 1",
        (run_number, page_first, page_last),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    slots = page_slots(read_pages(cursor, run_number, [row[0]])[row[0]])
    return int((row[0] << SLOT_BITS) + int(slots[-1 if last else 0]))


def file_bounds(
    cursor: Cursor,
    run_number: int,
    files: Iterable[FileKey],
    page_first: int,
    page_last: int,
    *,
    last: bool,
) -> dict[FileKey, int]:
    """Return the first (or last) event of each file in a range of pages; some have none.

    Reads pages until all are found: one or two, where the files of a run follow each other.
    """
    found = dict[FileKey, int]()
    for piece in number_pieces(list(files)):
        found |= _bounds_of(cursor, run_number, set(piece), (page_first, page_last), last=last)
    return found


def _bounds_of(
    cursor: Cursor, run_number: int, missing: set[FileKey], pages_in: tuple[int, int], *, last: bool
) -> dict[FileKey, int]:
    found = dict[FileKey, int]()
    page_first, page_last = pages_in
    while missing:
        cursor.execute(
            "SELECT page_no FROM event_page WHERE run_number = %s AND page_no BETWEEN %s AND %s "
            f"AND fuids && %s::uuid[] ORDER BY page_no {'DESC' if last else ''} LIMIT %s",
            (
                run_number,
                page_first,
                page_last,
                [fuid.hex() for fuid, _ in missing],
                _PAGES_PER_QUERY,
            ),
        )
        page_nos = [page_no for (page_no,) in cursor.fetchall()]
        if not page_nos:
            break
        pages = read_pages(cursor, run_number, page_nos)
        for page_no in page_nos:
            for key, slot in _slots(pages[page_no], missing, last=last).items():
                found[key] = (page_no << SLOT_BITS) + slot
                missing.discard(key)
        page_first, page_last = (
            (page_first, page_nos[-1] - 1) if last else (page_nos[-1] + 1, page_last)
        )
    return found


def _slots(page: PackedPage, wanted: set[FileKey], *, last: bool) -> dict[FileKey, int]:
    """Return the first (or last) slot of each wanted file in a page."""
    events = unpack(page)
    found = {}
    for index, key in enumerate(zip(events.fuids.tolist(), events.dsids.tolist(), strict=True)):
        if key in wanted:
            at = np.flatnonzero(events.file_index == index)
            found[key] = int(events.slots[at[-1 if last else 0]])
    return found
