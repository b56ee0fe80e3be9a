"""Pages on their way into the cache, many at once: checked, and in the form in which it holds them.

Pure. `decoding` makes blocks of many pages by array operations; here pages are unpacked one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from event_store.arrays import Places
from event_store.errors import CorruptPageError
from event_store.lookup.cached_files import file_keys
from event_store.lookup.packed import (
    PACKED_BYTES,
    PLANE_BYTES,
    PLANES_A_CELL,
    STORED_FILES_MAX,
    unpack,
)
from event_store.model import Int32, Int64, UInt8
from event_store.pages.check import check_slots, is_empty
from event_store.pages.copy import FetchedPage
from event_store.pages.format import (
    NO_DSIDS,
    NO_FUIDS,
    SLOT_BITS,
    SLOTS_PER_PAGE,
    PackedPage,
    check_olt_planes,
    file_places,
    page_slots,
    unpack_file_index,
)

NO_ENTRIES: Int32 = np.empty(0, np.int32)
_NO_CELLS = np.empty((0, SLOTS_PER_PAGE), np.uint8)


class PageBlock(NamedTuple):
    """n pages.

    Attributes:
        runs, pages, generations: int64, shape (n,).
        n_files: int64, shape (n,); `files` are those of all pages in turn, see `file_keys`.
        n_entries: int64, shape (n,), 0 but for sparse pages; `entries` are their events in turn,
            ascending: the slot above the lowest 13 bits, which are the file's place from 0.
        dense, many: intp, the pages that have a cell, and a second one.
        cells: uint8, those of `dense`, then those of `many`. Of shape (cells, 8192): for each slot
            the place of its file in its page from 1, 0 where there is no event; the high byte in
            the second one. Or (cells, 4096): planes, as in `packed`.
        olt: the pages with their `olt_planes`; without a value where there are none.
    """

    runs: Int64
    pages: Int64
    generations: Int64
    n_files: Int64
    files: Int32
    n_entries: Int64
    entries: Int32
    dense: Places
    many: Places
    cells: UInt8
    olt: Sequence[PackedPage | None]

    @property
    def is_packed(self) -> bool:
        """Whether the cells are planes."""
        return bool(self.cells.shape[1] == PACKED_BYTES)


def unpacked(block: PageBlock) -> PageBlock:
    """Return a packed block with a byte a slot."""
    n_files = block.n_files[block.dense]
    cells = unpack(block.cells[: len(n_files)], n_files <= STORED_FILES_MAX)
    high = block.cells[len(n_files) :]
    cells[block.many] |= unpack(high, np.zeros(len(high), bool)) << np.uint8(PLANES_A_CELL)
    return block._replace(cells=cells, many=block.many[:0])


def block_of(fetched: Sequence[FetchedPage]) -> PageBlock:
    """Unpack pages one by one; one without content or events is a page that does not exist.

    Raises:
        CorruptPageError: a page contradicts itself.
    """
    pages = [one.page if one.page and not is_empty(one.page) else None for one in fetched]
    entries, low, high, dense, many = [NO_ENTRIES], [_NO_CELLS], [_NO_CELLS], [], []
    n_entries = np.zeros(len(pages), np.int64)
    for place, page in enumerate(pages):
        if page is None:
            continue
        if len(page.fuids) != len(page.dsids):
            raise CorruptPageError(f"page has {len(page.dsids)} dsids for {len(page.fuids)} files")
        width = PLANE_BYTES if page.slots is None else (page.n_events + 7) // 8
        check_olt_planes(page.olt_planes, width)
        if page.slots is not None:
            entries.append(_entries(page))
            n_entries[place] = page.n_events
            continue
        places = file_places(page)[np.newaxis]
        dense.append(place)
        low.append(places.astype(np.uint8))
        if places.dtype != np.uint8:
            many.append(place)
            high.append((places >> 8).astype(np.uint8))
    numbers = np.array([one[:3] for one in fetched], np.int64)
    return PageBlock(
        numbers[:, 0],
        numbers[:, 1],
        numbers[:, 2],
        np.array([0 if page is None else len(page.fuids) for page in pages], np.int64),
        file_keys(
            np.concatenate([NO_FUIDS, *(page.fuids for page in pages if page)]),
            np.concatenate([NO_DSIDS, *(page.dsids for page in pages if page)]),
        ),
        n_entries,
        np.concatenate(entries),
        np.array(dense, np.intp),
        np.array(many, np.intp),
        np.concatenate(low + high),
        pages,
    )


def _entries(page: PackedPage) -> Int32:
    slots = page_slots(page)
    check_slots(slots)
    index = unpack_file_index(page)
    if len(index) and int(index.max()) >= len(page.fuids):
        raise CorruptPageError(f"page has a file index of {index.max()} of {len(page.fuids)} files")
    return (slots.astype(np.int32) << SLOT_BITS) | index.astype(np.int32)
