"""Pages in memory, unpacked into pooled arrays, so that a batch is a few NumPy gathers.

A dense page of up to 255 files is one byte a slot (0: no event, i: the page's file i); with more
files it has a second row for the high byte. A sparse page stays packed: one int32 an event, in
ascending order, searched by bisection. Pages that do not exist are held as absent.

Bounded in bytes. Pages are evicted by the clock algorithm: a page that nobody asked for since the
hand came by last goes first, and a new page starts unasked, so that one scan over the whole index
pushes out other scanned pages before those in use.

Not thread-safe, no I/O; `reader` holds a lock around it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from event_store.cells import Cells
from event_store.extents import Extents
from event_store.filetable import FILE_BYTES, FileNumbers, MakeReply
from event_store.lookup_batch import Reply
from event_store.model import Int32, Int64, UInt64
from event_store.page import (
    FUID_DTYPE,
    SLOT_BITS,
    SLOT_MASK,
    SLOTS_PER_PAGE,
    PackedPage,
    file_places,
    olt_plane_rows,
    page_slots,
    unpack_file_index,
    values_at,
)
from event_store.pagetable import PageTable
from event_store.plan import starts

# Metadata of a row in all arrays here, and its share of the hash table.
ROW_BYTES = 64
# A bytes object and its entry in the dictionary of planes.
_OLT_BYTES = 150
_NO_FUIDS, _NO_DSIDS = np.empty(0, FUID_DTYPE), np.empty(0, np.int32)
_SEARCHED_ONE_BY_ONE_MAX = 8  # sparse pages; bisection of all at once takes as long
_BISECTION_STEPS = 10  # sparse pages hold fewer than 2**9 events


@dataclass(slots=True)
class CacheCounts:
    """What the cache did so far, in pages."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


class PageCache(Generic[Reply]):
    """Pages by (run, page number), at most `bytes_max` of memory."""

    def __init__(self, bytes_max: int, make_reply: MakeReply[Reply]) -> None:
        self.bytes_max = bytes_max
        self.counts = CacheCounts()
        self.files = FileNumbers(make_reply)
        self._make_empty()

    def _make_empty(self) -> None:
        # Absent pages are the smallest rows: they set how many there can be.
        rows = max(64, min(self.bytes_max // (ROW_BYTES + 8), 2**31 - 1))
        self._table = PageTable(rows)
        self._extents = Extents(rows)
        self.stamp: Int64 = np.zeros(rows, np.int64)
        self.generation: Int64 = np.zeros(rows, np.int64)
        self._n_files: Int32 = np.zeros(rows, np.int32)
        self._cell: Int32 = np.zeros(rows, np.int32)
        self._high_cell: Int32 = np.zeros(rows, np.int32)
        self._sparse = np.zeros(rows, bool)
        self._has_olt = np.zeros(rows, bool)
        self._asked = np.zeros(rows, bool)
        self._free_rows: list[int] = []
        self._rows_end = 0
        self._cells = Cells(self.bytes_max // SLOTS_PER_PAGE + 2)
        self._olt: dict[int, PackedPage] = {}
        self._olt_bytes = 0
        self._hand = 0

    def clear(self) -> None:
        """Forget everything."""
        self.files.clear()
        self._make_empty()

    def __len__(self) -> int:
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the held pages take."""
        return (
            self._cells.used * SLOTS_PER_PAGE
            + self._extents.nbytes
            + len(self._table) * ROW_BYTES
            + self._table.cells * 4
            + len(self.files) * FILE_BYTES
            + self._olt_bytes
        )

    def find(self, runs: Int64 | int, pages: Int64) -> Int32:
        """The row of each page, -1 where it is not held; see `PageTable.find`."""
        return self._table.find(runs, pages)

    def row_of(self, run: int, page_no: int) -> int:
        """The row of one page, -1 when it is not held."""
        return self._table.find_one(run, page_no)

    def usable(self, rows: Int32, stamps: Int64, *, with_olt: bool) -> npt.NDArray[np.bool_]:
        """Which rows may answer for runs that are at these generations."""
        current: npt.NDArray[np.bool_] = self.stamp[rows] == stamps
        return current & self.held(rows, with_olt=with_olt)

    def held(self, rows: Int32, *, with_olt: bool) -> npt.NDArray[np.bool_]:
        """Which rows there are, with their `olt_result` planes if that is asked."""
        there = rows >= 0
        return there & self._has_olt[rows] if with_olt else there

    def file_numbers(
        self, rows: Int32, of: npt.NDArray[np.intp], slots: npt.NDArray[np.int64]
    ) -> Int32:
        """The number of the RAW file of each (rows[of], slots), 0 where there is no event.

        Args:
            rows: int32, all of them held.
            of: intp, shape (n,).
            slots: int64, shape (n,).
        """
        self._asked[rows] = True
        cells = self._cells.values
        local: npt.NDArray[Any] = cells.take(
            (self._cell[rows].astype(np.int64) * SLOTS_PER_PAGE).take(of) + slots
        )
        high = self._high_cell[rows]
        if high.any():
            high_bytes = cells.take((high.astype(np.int64) * SLOTS_PER_PAGE).take(of) + slots)
            local = local.astype(np.int64) | (high_bytes.astype(np.int64) << 8)
        sparse = self._sparse[rows]
        if sparse.any():
            local = local.astype(np.int64)
            searched = np.flatnonzero(sparse.take(of))
            of_searched, wanted = of.take(searched), slots.take(searched)
            pages = np.flatnonzero(sparse)
            if len(pages) > _SEARCHED_ONE_BY_ONE_MAX:
                local[searched] = self._search(rows.take(of_searched), wanted)
            else:
                for page in pages.tolist():
                    own = of_searched == page
                    local[searched[own]] = self._search_one(int(rows[page]), wanted[own])
        numbers: Int32 = self._extents.values.take(self._extents.offset[rows].take(of) + local)
        return numbers

    def olt_results(self, rows: Int32, slots: npt.NDArray[np.int64]) -> UInt64:
        """`olt_result` of each (row, slot): uint64, shape (n,); 0 where there is no event."""
        results = np.zeros(len(rows), np.uint64)
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        for first, last in itertools.pairwise([*starts(ordered).tolist(), len(rows)]):
            page = self._olt.get(int(ordered[first]))
            if page is not None:
                where = order[first:last]
                results[where] = _olt_at(page, slots[where])
        return results

    def put(
        self,
        run: int,
        page_no: int,
        page: PackedPage | None,
        *,
        generation: int,
        stamp: int,
        with_olt: bool,
    ) -> int:
        """Hold a page (None: there is none); returns its row.

        `stamp` is the run's generation that was read before the page, `generation` the page's.
        """
        row = self.row_of(run, page_no)
        if row >= 0:
            self._remove(row)
        row = self._free_rows.pop() if self._free_rows else self._rows_end
        self._rows_end = max(self._rows_end, row + 1)
        self._table.add(row, run, page_no)
        self.stamp[row], self.generation[row] = stamp, generation
        self._has_olt[row] = with_olt
        self._asked[row] = False
        if page is not None and page.n_events:
            try:
                self._fill(row, page, with_olt=with_olt)
            except BaseException:
                # Left in the table, half a page would pass for one without events.
                self._remove(row)
                raise
        return row

    def make_room(self, nbytes: int) -> None:
        """Evict until so many bytes more fit, or nothing is left."""
        while self.nbytes + nbytes > self.bytes_max and len(self._table):
            self._evict_some()
        self._extents.trim()

    def _fill(self, row: int, page: PackedPage, *, with_olt: bool) -> None:
        # What can find the page corrupt comes before anything is taken for it.
        events = np.empty(0, np.int32)
        places: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] = np.empty(0, np.uint8)
        if page.slots is not None:
            index = unpack_file_index(page).astype(np.int32)
            events = (page_slots(page).astype(np.int32) << SLOT_BITS) | index
        else:
            places = file_places(page)
        keys = zip(page.fuids.tolist(), page.dsids.tolist(), strict=True)
        numbers = np.array([0, *self.files.acquire(keys)], np.int32)
        self._n_files[row] = len(numbers) - 1
        self._sparse[row] = page.slots is not None
        if page.slots is None:
            self._cell[row] = self._cells.put(places.astype(np.uint8, copy=False))
            if places.dtype != np.uint8:
                self._high_cell[row] = self._cells.put((places >> 8).astype(np.uint8))
        self._extents.put(row, np.concatenate([numbers, events]))
        if with_olt:
            self._olt[row] = PackedPage(
                page.n_events, page.slots, _NO_FUIDS, _NO_DSIDS, b"", page.olt_planes
            )
            self._olt_bytes += _olt_size(self._olt[row])

    def _search_one(self, row: int, slots: npt.NDArray[np.int64]) -> Int64:
        """As `_search`, in one sparse page."""
        entries = self._extents.get(row)[1 + int(self._n_files[row]) :]
        at = np.searchsorted(entries >> SLOT_BITS, slots)
        entry = entries.take(at, mode="clip")
        return np.where(entry >> SLOT_BITS == slots, (entry & SLOT_MASK) + 1, 0)

    def _search(self, rows: Int32, slots: npt.NDArray[np.int64]) -> Int64:
        """The place of each slot's file in its sparse page, from 1; 0 where there is none."""
        values = self._extents.values
        low = self._extents.offset[rows] + 1 + self._n_files[rows]
        end = self._extents.offset[rows] + self._extents.length[rows]
        high = end.copy()
        for _ in range(_BISECTION_STEPS):
            middle = (low + high) >> 1
            # A finished search may look one past its page; the comparison does not move it.
            right = (low < high) & (values.take(middle, mode="clip") >> SLOT_BITS < slots)
            low, high = np.where(right, middle + 1, low), np.where(right, high, middle)
        entry = values.take(low, mode="clip")
        found = (low < end) & (entry >> SLOT_BITS == slots)
        return np.where(found, (entry & SLOT_MASK) + 1, 0)

    def _evict_some(self) -> None:
        """Move the hand over the next rows; evict those that nobody asked for since."""
        first = self._hand if self._hand < self._rows_end else 0
        last = min(first + 256, self._rows_end)
        self._hand = last
        held = self._table.live[first:last]
        asked = self._asked[first:last].copy()
        self._asked[first:last] = False
        for row in (first + np.flatnonzero(held & ~asked)).tolist():
            self._remove(row)
            self.counts.evictions += 1

    def _remove(self, row: int) -> None:
        if self._n_files[row]:
            self.files.release(self._extents.get(row)[1 : 1 + int(self._n_files[row])].tolist())
            self._extents.drop(row)
        for cell in (self._cell, self._high_cell):
            if cell[row]:
                self._cells.drop(int(cell[row]))
                cell[row] = 0
        planes = self._olt.pop(row, None)
        if planes is not None:
            self._olt_bytes -= _olt_size(planes)
        self._table.remove(row)
        self._n_files[row] = 0
        self._sparse[row] = self._has_olt[row] = False
        self._free_rows.append(row)


def _olt_size(page: PackedPage) -> int:
    slots = 0 if page.slots is None else page.slots.nbytes
    return _OLT_BYTES + slots + len(page.olt_planes)


def _olt_at(page: PackedPage, slots: npt.NDArray[np.int64]) -> UInt64:
    """`olt_result` at some slots of a page, without unpacking the others."""
    if page.slots is None:
        return values_at(olt_plane_rows(page), slots)
    at = np.searchsorted(page.slots, slots)
    at[at == page.n_events] = 0
    results = values_at(olt_plane_rows(page), at)
    results[page.slots[at] != slots] = 0
    return results
