"""Pages on their way into the cache, many at once: checked, and in the form in which it holds them.

Dense pages of up to 255 files, nearly all there are, keep their planes. Other pages are unpacked
one by one. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, starts
from event_store.errors import CorruptPageError
from event_store.lookup.cached_files import file_keys
from event_store.lookup.messages import Columns, Messages
from event_store.lookup.packed import (
    PACKED_BYTES,
    PLACES_A_CELL,
    PLANE_BYTES,
    PLANES_A_CELL,
    place_planes,
    unpack,
)
from event_store.model import Int32, Int64, UInt8
from event_store.pages.check import check_slots, is_empty
from event_store.pages.copy import FetchedPage, decode_rows
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

# Their planes stay in a core's cache, and the allocator keeps the memory of what is made of them.
_PAGES_AT_ONCE = 32
_NO_ENTRIES: Int32 = np.empty(0, np.int32)
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
    cells = unpack(block.cells[: len(block.dense)])
    cells[block.many] |= unpack(block.cells[len(block.dense) :]) << np.uint8(PLANES_A_CELL)
    return block._replace(cells=cells, many=block.many[:0])


class Arrived(NamedTuple):
    """Some rows, decoded: plain pages, others, and the (run, page, generation) without content."""

    plain: PageBlock | None
    others: list[FetchedPage]
    unchanged: Int64


def decode_block(messages: Sequence[bytes]) -> Arrived:
    """Decode what `copy.fetch_sql` reads: PostgreSQL sends a row a message.

    Raises:
        CorruptPageError: a page contradicts itself.
    """
    data = Messages(messages)
    order = np.argsort(data.columns.n_files, kind="stable")
    columns = data.columns.at(order)
    cells, wrong = _cells(data, columns)
    # What is wrong with a page is said where each is looked at by itself.
    other = ~data.unchanged
    other[data.plain[order[~wrong]]] = False
    others = [
        page for row in np.flatnonzero(other).tolist() for page in decode_rows(data.rows[row])
    ]
    plain = _plain(data, columns.at(~wrong), cells) if len(order) and not wrong.all() else None
    return Arrived(plain, others, data.keys[data.unchanged])


def _cells(data: Messages, pages: Columns) -> tuple[list[UInt8], npt.NDArray[np.bool_]]:
    """Return the cells of pages, as `PageBlock` has them, and which pages contradict themselves.

    Pages with equally many files are next to each other; those that are wrong are left out.
    """
    low, high, wrong = [], [], np.zeros(len(pages.runs), bool)
    for first, end, n_files in _alike(pages.n_files):
        some = slice(first, end)
        stored = data.planes(pages.planes[some], 1 + (n_files - 1).bit_length())
        planes, bad = place_planes(stored, n_files)
        bad |= np.bitwise_count(stored[:, 0]).sum(axis=1, dtype=np.int64) != pages.n_events[some]
        wrong[some] = bad
        good = planes[~bad] if bad.any() else planes
        own = good.view(np.uint8).reshape(len(good), planes.shape[1] // PLANES_A_CELL, PACKED_BYTES)
        low.append(own[:, 0])
        high.append(own[:, 1:].reshape(-1, PACKED_BYTES))
    return low + high, wrong


def _alike(sizes: Int64) -> Iterator[tuple[int, int, int]]:
    """Yield stretches of equal sizes, which are ascending: first, end and size."""
    cuts = [*starts(sizes).tolist(), len(sizes)]
    for begin, end in itertools.pairwise(cuts):
        for first in range(begin, end, _PAGES_AT_ONCE):
            yield first, min(first + _PAGES_AT_ONCE, end), int(sizes[first])


def _plain(data: Messages, pages: Columns, cells: Sequence[UInt8]) -> PageBlock:
    olt = [
        PackedPage(events, None, NO_FUIDS, NO_DSIDS, b"", planes) if planes else None
        for events, planes in zip(pages.n_events.tolist(), data.olt_planes(pages), strict=True)
    ]
    return PageBlock(
        pages.runs,
        pages.pages,
        pages.generations,
        pages.n_files,
        data.files(pages),
        np.zeros(len(pages.runs), np.int64),
        _NO_ENTRIES,
        np.arange(len(pages.runs)),
        np.flatnonzero(pages.n_files >= PLACES_A_CELL),
        np.concatenate(cells),
        olt,
    )


def block_of(fetched: Sequence[FetchedPage]) -> PageBlock:
    """Unpack pages one by one; one without content or events is a page that does not exist.

    Raises:
        CorruptPageError: a page contradicts itself.
    """
    pages = [one.page if one.page and not is_empty(one.page) else None for one in fetched]
    entries, low, high, dense, many = [_NO_ENTRIES], [_NO_CELLS], [_NO_CELLS], [], []
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
