"""Pages in memory, in pooled arrays, so that a batch is a few NumPy gathers.

A dense page comes as planes, see `packed`, with the ids of its files. One that is asked for often
is unpacked to a byte a slot (0: no event, i: the page's file i), and its files are numbered; one of
more than 255 files has a second cell for the high byte. A sparse page is one int32 an event, in
ascending order, searched by bisection. Pages that do not exist are held as absent.

Bounded in bytes. Pages are evicted by the clock algorithm, no more than the room asks for: a page
that nobody found here since the hand came by last goes first. A new page was not found here, so
that one scan over the whole index pushes out other scanned pages before those in use.

Not thread-safe, no I/O; `reader` holds a lock around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from event_store.arrays import Numbers, Places, moved, ragged, zeros
from event_store.lookup.batch import Reply
from event_store.lookup.block import PageBlock, unpacked
from event_store.lookup.cached_files import (
    FILE_BYTES,
    FILE_KEY_VALUES,
    CachedFiles,
    MakeReply,
)
from event_store.lookup.cells import Cells
from event_store.lookup.extents import Extents
from event_store.lookup.hash_table import PageTable
from event_store.lookup.packed import (
    PACKED_BYTES,
    PLANES_A_CELL,
    STORED_FILES_MAX,
    take_places,
)
from event_store.lookup.run_views import PAGES_MAX, RunView, RunViews, places
from event_store.model import Int32, Int64
from event_store.pages.format import (
    NO_DSIDS,
    NO_FUIDS,
    SLOT_BITS,
    SLOT_MASK,
    SLOTS_PER_PAGE,
    PackedPage,
)

# What a row takes in the arrays here and in the hash table.
ROW_BYTES = 64
# A bytes object and its entry in the dictionary of planes.
_OLT_BYTES = 150
# Rows, values and cells may each keep this share of the bound free before it is given back; cells
# of planes, which become free as pages are unpacked, this share of what is held.
_SPARE_SHARE = 128
_ROWS_A_STEP = 256
_ROW_ARRAYS = (
    "stamp",
    "generation",
    "_n_files",
    "_cell",
    "_high_cell",
    "_sparse",
    "_packed",
    "_has_olt",
    "_asked",
)
_SEARCHED_ONE_BY_ONE_MAX = 8  # sparse pages; bisection of all at once takes as long
_BISECTION_STEPS = 10  # sparse pages hold fewer than 2**9 events
# A batch that wants so many slots of a page has it unpacked, if need be in the place of others; one
# that wants fewer where there is room, and the page answered one before. So many for one batch.
OFTEN_SLOTS, _UNPACKED_MAX = 16, 256


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
        self.files = CachedFiles(make_reply)
        self._make_empty()

    def _make_empty(self) -> None:
        # As many rows as the bound holds of the smallest ones, which are absent pages.
        rows = max(64, min(self.bytes_max // (ROW_BYTES + 8), 2**31 - 1))
        self._table = PageTable(rows)
        self._extents = Extents(rows, self.bytes_max)
        self.stamp: Int64 = zeros(rows, np.int64)
        self.generation: Int64 = zeros(rows, np.int64)
        self._n_files: Int32 = zeros(rows, np.int32)
        self._cell: Int32 = zeros(rows, np.int32)
        self._high_cell: Int32 = zeros(rows, np.int32)
        self._sparse = zeros(rows, bool)
        self._packed = zeros(rows, bool)
        self._has_olt = zeros(rows, bool)
        self._asked = zeros(rows, bool)
        self._numbers = Numbers(0)
        self._cells = Cells(self.bytes_max, SLOTS_PER_PAGE)
        self._planes = Cells(self.bytes_max, PACKED_BYTES)
        self._views = RunViews(self.bytes_max // SLOTS_PER_PAGE)
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
            self._cells.nbytes
            + self._planes.nbytes
            + self._extents.nbytes
            + len(self._table) * ROW_BYTES
            + self._table.cells * 4
            + len(self.files) * FILE_BYTES
            + self._olt_bytes
        )

    def find(self, runs: Int64 | int, pages: Int64) -> Int32:
        """Return the row of each page, -1 where it is not held; see `PageTable.find`."""
        return self._table.find(runs, pages)

    def usable(self, rows: Int32, stamps: Int64, *, with_olt: bool) -> npt.NDArray[np.bool_]:
        """Return which rows may answer for runs that are at these generations."""
        current: npt.NDArray[np.bool_] = self.stamp[rows] == stamps
        return current & self.held(rows, with_olt=with_olt)

    def held(self, rows: Int32, *, with_olt: bool) -> npt.NDArray[np.bool_]:
        """Return which rows there are, with their `olt_result` planes if that is asked."""
        there = rows >= 0
        return there & self._has_olt[rows] if with_olt else there

    def found(self, rows: Int32) -> None:
        """Note that these rows answered a lookup: they are kept rather than others."""
        self._asked[rows] = True

    def run_numbers(self, run: int, offset: int, stamp: int, events: Int64) -> Int32 | None:
        """Return the number of the RAW file of each event of a run, 0 where there is no event.

        None unless all of its pages are known to lie unpacked, see `view_run`.
        """
        view = self._views.get((run, offset), stamp)
        found = None if view is None else places(view, events)
        if view is None or found is None:
            return None
        pages, cells, files = found
        files += self._cells.values.take(cells)
        for page in view.sparse:
            own = np.flatnonzero(pages == page)
            files[own] += self._search_one(int(view.rows[page]), events[own] & SLOT_MASK)
        self.found(view.rows)
        self.counts.hits += len(events)
        numbers: Int32 = self._extents.values.take(files)
        return numbers

    def view_run(self, run: int, offset: int, stamp: int, pages: Int64) -> None:
        """Note where all pages from the first to the last of a run lie, if they are unpacked."""
        first, last = int(pages.min()), int(pages.max())
        if last - first >= PAGES_MAX or not self._views.may_add((run, offset), stamp):
            return
        numbers = np.arange(first, last + 1)
        rows = self.find(run, numbers)
        good = (rows >= 0) & (self.stamp[rows] == stamp)
        good &= ~self._packed[rows] & (self._high_cell[rows] == 0)
        sparse = np.flatnonzero(self._sparse[rows]).tolist()
        view = None
        if good.all() and len(sparse) <= _SEARCHED_ONE_BY_ONE_MAX:
            begin = self._cell[rows].astype(np.int64) * SLOTS_PER_PAGE
            begin -= (numbers - offset) << SLOT_BITS
            view = RunView(stamp, first - offset, rows, begin, self._extents.offset[rows], sparse)
        self._views.add((run, offset), view)

    def packed(self, rows: Int32) -> npt.NDArray[np.bool_]:
        """Return which rows are held as planes: `packed_files` answers for them."""
        return self._packed.take(rows)

    def packed_files(
        self, rows: Int32, of: Places, slots: npt.NDArray[np.int64]
    ) -> tuple[Places, Int32]:
        """Return which of (rows[of], slots) hold an event, and the file of those.

        Args, all of packed rows: as in `file_numbers`. Files are as `file_keys` has them.
        """
        at, bits = slots >> 3, (slots & 7).astype(np.uint8)
        values = self._planes.values
        first = (self._cell[rows].astype(np.int64) * PACKED_BYTES).take(of)
        stored = (self._n_files[rows] <= STORED_FILES_MAX).take(of)
        places = take_places(values, first + at, bits, stored)
        high = self._high_cell[rows]
        if high.any():
            first = (high.astype(np.int64) * PACKED_BYTES).take(of)
            above = take_places(values, first + at, bits, np.zeros(len(of), bool))
            places |= above << np.uint8(PLANES_A_CELL)
        found = np.flatnonzero(places)
        key = self._extents.offset[rows].take(of.take(found))
        key += (places.take(found).astype(np.int64) - 1) * FILE_KEY_VALUES
        return found, self._extents.values[key[:, np.newaxis] + np.arange(FILE_KEY_VALUES)]

    def often_asked(self, rows: Int32, of: Places) -> Int32:
        """Return the packed rows that `rows[of]` ask for so often that unpacking pays."""
        if not self._planes.used:
            return rows[:0]
        slots = np.bincount(of, minlength=len(rows))
        packed = self._packed.take(rows)
        often = rows[packed & (slots >= OFTEN_SLOTS)]
        room = max(0, self.bytes_max - self.nbytes) // SLOTS_PER_PAGE
        again = rows[packed & (slots > 0) & self._asked.take(rows)][:room]
        most = min(_UNPACKED_MAX, max(1, self.bytes_max // SLOTS_PER_PAGE // 8))
        return np.unique(np.concatenate([often, again])[:most])

    def unpack(self, rows: Int32) -> None:
        """Hold packed rows as a byte a slot; others may be evicted, and rows renumbered."""
        if not len(rows):
            return
        with_olt = bool(self._has_olt[rows[0]])
        rows = rows[self._has_olt[rows] == with_olt]
        many = np.flatnonzero(self._high_cell[rows])
        cells = np.concatenate([self._cell[rows], self._high_cell[rows[many]]])
        block = PageBlock(
            self._table.runs[rows],
            self._table.pages[rows],
            self.generation[rows],
            self._n_files[rows].astype(np.int64),
            self._packed_keys(rows),
            np.zeros(len(rows), np.int64),
            np.empty(0, np.int32),
            np.arange(len(rows)),
            many,
            self._planes.cells[cells],
            [self._olt.get(row) for row in rows.tolist()],
        )
        block = unpacked(block)
        self._asked[self.put(block, self.stamp[rows], with_olt=with_olt)] = True

    def file_numbers(
        self, rows: Int32, of: npt.NDArray[np.intp], slots: npt.NDArray[np.int64]
    ) -> Int32:
        """Return the number of the RAW file of each (rows[of], slots), 0 where there is no event.

        Args:
            rows: int32, all of them held.
            of: intp, shape (n,).
            slots: int64, shape (n,).
        """
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

    def olt_pages(self, rows: Int32) -> dict[int, PackedPage]:
        """Return the pages with `olt_planes` of those rows that have some."""
        pages = ((row, self._olt.get(row)) for row in rows.tolist())
        return {row: page for row, page in pages if page is not None}

    def put(self, block: PageBlock, stamps: Int64, *, with_olt: bool) -> Int32:
        """Hold pages, in place of what is held of them; returns their rows.

        Args:
            block: the pages, each once.
            stamps: for each page the run's generation that was read before the page, int64.
            with_olt: whether their `olt_planes` were read.
        """
        held = self.find(block.runs, block.pages)
        held = held[held >= 0]
        try:
            if len(held):
                self._remove(held)
            return self._put(block, stamps, with_olt=with_olt)
        except BaseException:
            # A half-stored page would look like one with fewer events.
            self.clear()
            raise

    def _put(self, block: PageBlock, stamps: Int64, *, with_olt: bool) -> Int32:
        # A view says where values lie that may be moved, and knows pages that come now as absent.
        self._views.clear()
        n = len(block.runs)
        packed = block.is_packed
        files = block.files if packed else self.files.acquire(block.files)
        some = np.flatnonzero(block.n_files)
        values, lengths = _values(block, files, some)
        olt_bytes = sum(_olt_size(page) for page in block.olt if page) if with_olt else 0
        self._make_room(block.cells.nbytes + values.nbytes + n * (ROW_BYTES + 16) + olt_bytes)
        rows = self._numbers.take(n)
        self.stamp[rows], self.generation[rows] = stamps, block.generations
        self._n_files[rows], self._sparse[rows] = block.n_files, block.n_entries > 0
        self._has_olt[rows], self._asked[rows], self._packed[rows] = with_olt, False, packed
        cells = (self._planes if packed else self._cells).put(block.cells)
        self._cell[rows[block.dense]] = cells[: len(block.dense)]
        self._high_cell[rows[block.many]] = cells[len(block.dense) :]
        self._extents.put(rows[some], values, lengths)
        if with_olt:
            for row, page in zip(rows.tolist(), block.olt, strict=True):
                if page is not None:
                    self._olt[row] = PackedPage(
                        page.n_events, page.slots, NO_FUIDS, NO_DSIDS, b"", page.olt_planes
                    )
            self._olt_bytes += olt_bytes
        self._table.add(rows, block.runs, block.pages)
        return self.find(block.runs, block.pages) if self._trim() else rows

    def _search_one(self, row: int, slots: npt.NDArray[np.int64]) -> Int64:
        """Do as `_search`, in one sparse page."""
        entries = self._extents.get(row)[1 + int(self._n_files[row]) :]
        at = np.searchsorted(entries >> SLOT_BITS, slots)
        entry = entries.take(at, mode="clip")
        return np.where(entry >> SLOT_BITS == slots, (entry & SLOT_MASK) + 1, 0)

    def _search(self, rows: Int32, slots: npt.NDArray[np.int64]) -> Int64:
        """Return the place of each slot's file in its sparse page, from 1; 0 without one."""
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

    def _make_room(self, nbytes: int) -> None:
        """Evict until so many bytes more fit, or nothing is left."""
        while (excess := self.nbytes + nbytes - self.bytes_max) > 0 and len(self._table):
            self._evict_some(excess)

    def _evict_some(self, nbytes: int) -> None:
        """Move the hand on; evict rows that nobody asked for since, for so many bytes."""
        first = self._hand if self._hand < self._numbers.end else 0
        last = min(first + _ROWS_A_STEP, self._numbers.end)
        rows = np.arange(first, last, dtype=np.int32)
        rows = rows[self._table.live[first:last] & ~self._asked[first:last]]
        freed = np.cumsum(self._sizes(rows))
        if len(rows) and freed[-1] > nbytes:
            rows = rows[: 1 + int(np.searchsorted(freed, nbytes))]
            last = int(rows[-1]) + 1
        self._hand = last
        self._asked[first:last] = False
        self._remove(rows)
        self.counts.evictions += len(rows)

    def _sizes(self, rows: Int32) -> Int64:
        """Return bytes of memory that rows take, with their share of files that others use too."""
        cells = (self._cell[rows] > 0).astype(np.int64) + (self._high_cell[rows] > 0)
        packed = self._packed[rows]
        cells *= np.where(packed, PACKED_BYTES, SLOTS_PER_PAGE)
        sizes: Int64 = ROW_BYTES + 4 * self._extents.length[rows] + cells
        shares = FILE_BYTES / self.files.uses(self._extent_files(rows[~packed]))
        of = np.repeat(np.arange(len(rows)), np.where(packed, 0, self._n_files[rows]))
        sizes += np.bincount(of, shares, len(rows)).astype(np.int64)
        for place in np.flatnonzero(self._has_olt[rows]).tolist():
            page = self._olt.get(int(rows[place]))
            sizes[place] += 0 if page is None else _olt_size(page)
        return sizes

    def _extent_files(self, rows: Int32) -> Int32:
        """Return the numbers of the files of rows in turn, behind the 0 of no file."""
        lengths = self._n_files[rows].astype(np.int64)
        return self._extents.values[ragged(self._extents.offset[rows] + 1, lengths)]

    def _packed_keys(self, rows: Int32) -> Int32:
        """Return the files of packed rows in turn, as `file_keys` has them."""
        lengths = FILE_KEY_VALUES * self._n_files[rows].astype(np.int64)
        keys = self._extents.values[ragged(self._extents.offset[rows], lengths)]
        return keys.reshape(-1, FILE_KEY_VALUES)

    def _trim(self) -> bool:
        """Give back memory that is free, but for a small share; whether rows were renumbered."""
        spare = self.bytes_max // _SPARE_SHARE
        self._cells.trim(spare)
        self._planes.trim(min(self.bytes_max, self.nbytes) // _SPARE_SHARE)
        self._extents.trim(spare)
        renumbered = self._numbers.free * ROW_BYTES > spare
        if renumbered:
            self._renumber()
        return renumbered

    def _renumber(self) -> None:
        """Move the rows in use to the front; the arrays' memory behind them is given back."""
        keep = self._table.live
        if self._olt:
            places = np.searchsorted(np.flatnonzero(keep), np.array([*self._olt])).tolist()
            self._olt = dict(zip(places, self._olt.values(), strict=True))
        self._hand = int(np.count_nonzero(keep[: self._hand]))
        for name in _ROW_ARRAYS:
            setattr(self, name, moved(getattr(self, name), keep))
        self._extents.renumber(keep)
        self._table.renumber()
        self._numbers = Numbers(len(self._table))

    def _remove(self, rows: Int32) -> None:
        self._views.clear()
        packed = self._packed[rows]
        self.files.release(self._extent_files(rows[~packed]))
        self._extents.drop(rows)
        for column in (self._cell, self._high_cell):
            cells = column[rows]
            self._cells.drop(cells[(cells > 0) & ~packed])
            self._planes.drop(cells[(cells > 0) & packed])
            column[rows] = 0
        for row in rows[self._has_olt[rows]].tolist():
            planes = self._olt.pop(row, None)
            if planes is not None:
                self._olt_bytes -= _olt_size(planes)
        self._table.remove(rows)
        self._n_files[rows] = 0
        self._sparse[rows] = self._has_olt[rows] = self._packed[rows] = False
        self._numbers.give(rows)


def _values(block: PageBlock, files: Int32, some: Places) -> tuple[Int32, Int64]:
    """Return what `Extents` holds of some pages, and the length of each.

    The keys of packed pages' files; of others 0 for no file, the files' numbers, and the entries.
    """
    of_files, n_entries = block.n_files[some], block.n_entries[some]
    if block.is_packed:
        return files.ravel(), of_files * FILE_KEY_VALUES
    lengths = 1 + of_files + n_entries
    first = np.cumsum(lengths) - lengths + 1
    values = np.zeros(int(lengths.sum()), np.int32)
    values[ragged(first, of_files)] = files.ravel()
    values[ragged(first + of_files, n_entries)] = block.entries
    return values, lengths


def _olt_size(page: PackedPage) -> int:
    slots = 0 if page.slots is None else page.slots.nbytes
    return _OLT_BYTES + slots + len(page.olt_planes)
