"""Pages on their way into the cache, many at once: as PostgreSQL sent them, and unpacked.

Dense pages of up to 128 files, nearly all there are, are stacked: a byte of a plane stands for 8
slots and becomes 8 bytes in one step. Other pages are unpacked one by one. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.errors import CorruptPageError
from event_store.model import Int32, Int64, UInt8
from event_store.pages.check import check_slots, is_empty
from event_store.pages.copy import (
    SIGNATURE,
    TRAILER,
    FetchedPage,
    decode_rows,
    int4_values,
    uuid_values,
)
from event_store.pages.format import (
    NO_DSIDS,
    NO_FUIDS,
    SLOT_BITS,
    SLOTS_PER_PAGE,
    Fuids,
    PackedPage,
    check_olt_planes,
    file_places,
    page_slots,
    unpack_file_index,
)

_PLANE_BYTES = SLOTS_PER_PAGE // 8
# Up to here a file's place, 1 to 128, and each partial sum of its planes fit a byte.
_STACKED_FILES_MAX = 128
_ARRAY_HEAD_BYTES, _FUID_ITEM_BYTES, _DSID_ITEM_BYTES = 20, 20, 8
# Number of columns, run, page and generation, then `n_events` and the sizes of slots and fuids.
_ROW = struct.Struct(">h iq iq iq iiii")
_SIZE = struct.Struct(">i")
_NO_ENTRIES: Int32 = np.empty(0, np.int32)
_NO_CELLS = np.empty((0, SLOTS_PER_PAGE), np.uint8)

# For a byte of a plane the 8 bytes of its slots, each worth 2**index where its bit is set.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_SPREAD = [_BITS.view(np.uint64)[:, 0] << np.uint64(index) for index in range(7)]


class PageBlock(NamedTuple):
    """n pages, unpacked.

    Attributes:
        runs, pages, generations: int64, shape (n,).
        n_files: int64, shape (n,); `fuids` and `dsids` are the files of all pages in turn.
        n_entries: int64, shape (n,), 0 but for sparse pages; `entries` are their events in turn,
            ascending: the slot above the lowest 13 bits, which are the file's place from 0.
        dense, many: intp, the pages that have a cell, and a second one for the high byte.
        cells: uint8, shape (len(dense) + len(many), 8192), in that order: for each slot the place
            of its file in its page from 1; 0 where there is no event.
        packed: the pages with their `olt_planes`; without a value where there are none.
    """

    runs: Int64
    pages: Int64
    generations: Int64
    n_files: Int64
    fuids: Fuids
    dsids: Int32
    n_entries: Int64
    entries: Int32
    dense: npt.NDArray[np.intp]
    many: npt.NDArray[np.intp]
    cells: UInt8
    packed: Sequence[PackedPage | None]


class Arrived(NamedTuple):
    """Some rows, decoded: pages without content are those that did not change."""

    stacked: PageBlock | None
    others: list[FetchedPage]
    unchanged: list[FetchedPage]


class _Row(NamedTuple):
    """A dense page; `numbers` are its run, page, generation, events and files."""

    numbers: tuple[int, int, int, int, int]
    fuids: bytes
    dsids: bytes
    planes: bytes
    olt_planes: bytes


def decode_block(messages: Sequence[bytes]) -> Arrived:
    """Decode what `copy.fetch_sql` reads: PostgreSQL sends a row a message.

    Raises:
        CorruptPageError: a page contradicts itself.
    """
    stacked: list[_Row] = []
    others: list[FetchedPage] = []
    unchanged: list[FetchedPage] = []
    for message in messages:
        row = message.removeprefix(SIGNATURE)
        if row == TRAILER:
            continue
        _, _, run, _, page, _, generation, size, n_events, slots, fuids = _ROW.unpack_from(row)
        n_files = (fuids - _ARRAY_HEAD_BYTES) // _FUID_ITEM_BYTES
        if size < 0:
            unchanged.append(FetchedPage(run, page, generation, None))
        elif slots >= 0 or not 0 < n_files <= _STACKED_FILES_MAX:
            others += decode_rows(row)
        else:
            stacked.append(_cut(row, (run, page, generation, n_events, n_files)))
    return Arrived(_stack(stacked) if stacked else None, others, unchanged)


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
        width = _PLANE_BYTES if page.slots is None else (page.n_events + 7) // 8
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
        np.concatenate([NO_FUIDS, *(page.fuids for page in pages if page)]),
        np.concatenate([NO_DSIDS, *(page.dsids for page in pages if page)]),
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


def _cut(row: bytes, numbers: tuple[int, int, int, int, int]) -> _Row:
    """Cut the row of a dense page where its columns begin."""
    n_files = numbers[-1]
    fuids = _ROW.size + _ARRAY_HEAD_BYTES
    dsids = fuids + _FUID_ITEM_BYTES * n_files + 4 + _ARRAY_HEAD_BYTES
    planes = dsids + _DSID_ITEM_BYTES * n_files + 4
    dsids_bytes = _SIZE.unpack_from(row, dsids - _ARRAY_HEAD_BYTES - 4)[0]
    if dsids_bytes != _ARRAY_HEAD_BYTES + _DSID_ITEM_BYTES * n_files:
        raise CorruptPageError(f"page has dsids of {dsids_bytes} bytes for {n_files} files")
    end = planes + _SIZE.unpack_from(row, planes - 4)[0]
    olt_planes = row[end + 4 :]
    check_olt_planes(olt_planes, _PLANE_BYTES)
    return _Row(
        numbers,
        row[fuids : dsids - 4 - _ARRAY_HEAD_BYTES],
        row[dsids : planes - 4],
        row[planes:end],
        olt_planes,
    )


def _stack(rows: list[_Row]) -> PageBlock:
    # Pages with equally many planes next to each other.
    rows.sort(key=lambda row: len(row.planes))
    sizes = np.array([len(row.planes) for row in rows])
    numbers = np.array([row.numbers for row in rows], np.int64)
    cells = np.empty((len(rows), SLOTS_PER_PAGE), np.uint8)
    for size in np.unique(sizes).tolist():
        same = slice(*np.searchsorted(sizes, [size, size + 1]).tolist())
        planes = b"".join([row.planes for row in rows[same]])
        cells[same] = _unpack(planes, numbers[same, 3], numbers[same, 4])
    fuids = uuid_values(b"".join([row.fuids for row in rows]))
    dsids = int4_values(b"".join([row.dsids for row in rows]))
    return PageBlock(
        numbers[:, 0],
        numbers[:, 1],
        numbers[:, 2],
        numbers[:, 4],
        fuids,
        dsids,
        np.zeros(len(rows), np.int64),
        _NO_ENTRIES,
        np.arange(len(rows)),
        np.empty(0, np.intp),
        cells,
        [
            PackedPage(row.numbers[3], None, NO_FUIDS, NO_DSIDS, b"", row.olt_planes)
            if row.olt_planes
            else None
            for row in rows
        ],
    )


def _unpack(buffer: bytes, n_events: Int64, n_files: Int64) -> UInt8:
    """Return the cells of pages with equally many planes: uint8, shape (pages, 8192)."""
    size = len(buffer) // len(n_events)
    planes = size // _PLANE_BYTES
    # A page of k files needs 1 plane and one for each bit of k - 1.
    wrong = (n_files > 1 << max(planes - 1, 0)) | (n_files <= 1 << max(planes - 1, 0) >> 1)
    wrong |= (planes == 0) | (size % _PLANE_BYTES != 0)
    if wrong.any():
        files = int(n_files[wrong.argmax()])
        raise CorruptPageError(f"file_planes has {size} bytes for {files} files")
    packed = np.frombuffer(buffer, np.uint8).reshape(len(n_events), planes, _PLANE_BYTES)
    present = packed[:, 0]
    events = np.bitwise_count(present).sum(axis=1, dtype=np.int64)
    if (events != n_events).any():
        place = int((events != n_events).argmax())
        raise CorruptPageError(f"page has {events[place]} slots for n_events={n_events[place]}")
    spread: npt.NDArray[np.uint64] = _SPREAD[0].take(present)
    for bit in range(planes - 1):
        spread += _SPREAD[bit].take(packed[:, 1 + bit] & present)
    cells = spread.view(np.uint8)
    last = cells.max(axis=1)
    if (last > n_files).any():
        place = int((last > n_files).argmax())
        raise CorruptPageError(
            f"page has a file index of {int(last[place]) - 1} of {n_files[place]} files"
        )
    return cells
