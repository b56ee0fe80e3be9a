"""Where the events of a file came from, and went: files of other collections that hold them too.

Nothing stores such edges: the slots of the file are looked up in the same pages of the others, and
the files there counted. Never writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection, copy_out, fetch_one
from event_store.model import UInt8, fuid_text
from event_store.pages import copy as pagecopy
from event_store.pages.check import check_scanned, is_empty
from event_store.pages.format import (
    SLOTS_PER_PAGE,
    PackedPage,
    index_plane_rows,
    values_at,
)
from event_store.select.across import PageKey, slot_plane
from event_store.select.scan import Scan
from event_store.select.selection import Selection, select

PAGES_PER_STATEMENT_MAX = 128


class RelatedFile(NamedTuple):
    """A file of another collection, and how many events it shares with the one that is asked."""

    collection: int
    fuid_raw: str
    dsid: int
    events: int


class Relations:
    """The files of other collections that hold events of a file, read piece by piece.

    Args:
        fuid: the file's id, 16 bytes.
        collection: where it has events.
        others: the collections to look in.
    """

    def __init__(self, fuid: bytes, collection: int, others: Sequence[int]) -> None:
        self._selection = Selection(fuid=fuid, collection=collection)
        self._scan = Scan(
            self._selection, with_files=True, pages_per_statement=PAGES_PER_STATEMENT_MAX
        )
        self._others = others
        self._found: dict[int, Counter[tuple[bytes, int]]] = {one: Counter() for one in others}

    @property
    def files(self) -> int:
        """Return how many were found so far."""
        return sum(map(len, self._found.values()))

    def read(self, connection: Connection) -> bool:
        """Count the files in the next pages; False at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        pages = self._scan.read(connection)
        masks = {
            (run, page_no): _slots_of(page, select(page, page_no, self._selection))
            for run, page_no, page in pages
        }
        masks = {key: mask for key, mask in masks.items() if mask.any()}
        if masks:
            with connection.cursor() as cursor:
                for number in self._others:
                    by_shard = connection.distributed
                    pages_there = _pages(cursor, list(masks), number, by_shard=by_shard)
                    _count(self._found[number], masks, pages_there)
        return bool(pages)

    def found(self) -> list[RelatedFile]:
        """Return the files: by collection as they were named, then by falling events."""
        return [
            RelatedFile(number, fuid_text(fuid), dsid, events)
            for number, files in self._found.items()
            for (fuid, dsid), events in sorted(files.items(), key=lambda item: (-item[1], item[0]))
        ]


def _count(
    files: Counter[tuple[bytes, int]],
    masks: Mapping[PageKey, UInt8],
    pages: Mapping[PageKey, PackedPage],
) -> None:
    for key, page in pages.items():
        events = np.bincount(_file_indexes(page, masks[key]), minlength=len(page.fuids))
        for index in np.flatnonzero(events).tolist():
            files[page.fuids[index].tobytes(), int(page.dsids[index])] += int(events[index])


def _file_indexes(page: PackedPage, mask: UInt8) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the index into `fuids` of each event of a page whose slot is in a mask."""
    slots = np.flatnonzero(np.unpackbits(mask & slot_plane(page), bitorder="little"))
    at = slots if page.slots is None else np.searchsorted(page.slots, slots)
    return values_at(index_plane_rows(page), at).astype(np.intp)


def _slots_of(page: PackedPage, mask: UInt8) -> UInt8:
    """Return the slots of the events of a mask of positions: uint8, shape (1024,)."""
    if page.slots is None:
        return mask
    bits = np.zeros(SLOTS_PER_PAGE, bool)
    chosen = np.unpackbits(mask, count=page.n_events, bitorder="little").view(bool)
    bits[page.slots[chosen]] = True
    return np.packbits(bits, bitorder="little")


def _pages(
    cursor: Cursor, keys: Sequence[PageKey], collection: int, *, by_shard: bool
) -> dict[PageKey, PackedPage]:
    wanted = pagecopy.WantedPages(*zip(*keys, strict=True))
    sql = pagecopy.fetch_sql(wanted, with_olt=False, collection=collection, by_shard=by_shard)
    found = {}
    for row in pagecopy.decode_rows(copy_out(cursor, sql)):
        if row.page is not None and not is_empty(row.page):
            check_scanned(row.page, with_files=True)
            found[row.run_number, row.page_no] = row.page
    return found


def ancestors(cursor: Cursor, number: int) -> list[int]:
    """Return what a collection was made from, step by step; the nearest first."""
    cursor.execute(
        "WITH RECURSIVE up AS (SELECT made_from, 1 AS step FROM collection "
        "WHERE collection_id = %s UNION ALL SELECT c.made_from, up.step + 1 FROM up "
        "JOIN collection c ON c.collection_id = up.made_from) "
        "SELECT made_from FROM up WHERE made_from IS NOT NULL ORDER BY step",
        (number,),
    )
    return [found for (found,) in cursor.fetchall()]


def made_from(cursor: Cursor, number: int, limit: int) -> list[int]:
    """Return the collections that were made from one, in one step; by name, at most `limit`."""
    cursor.execute(
        "SELECT collection_id FROM collection WHERE made_from = %s ORDER BY name LIMIT %s",
        (number, limit),
    )
    return [found for (found,) in cursor.fetchall()]


def name_of(cursor: Cursor, number: int) -> str:
    """Return the name of a collection that is there."""
    cursor.execute("SELECT name FROM collection WHERE collection_id = %s", (number,))
    return str(fetch_one(cursor)[0])


def states_of(cursor: Cursor, dsids: Collection[int]) -> dict[int, int]:
    """Return the state of datasets, a DatasetState's number."""
    cursor.execute(
        "SELECT dsid_raw, state FROM dataset WHERE dsid_raw = ANY (%s::integer[])", (list(dsids),)
    )
    return dict(cursor.fetchall())
