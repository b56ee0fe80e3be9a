"""A hash table from (run, page) to a row number, looked up for whole arrays at once.

Open addressing with linear probing in NumPy, so that a batch of pairs needs neither a Python loop
nor a sort. Pure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.model import Int32, Int64

_EMPTY, _REMOVED = -1, -2
_UINT64_MAX = 2**64 - 1
# Odd constants with well-mixed bits (the golden ratio and pi, as fractions of 2^64).
_MIX_RUN = np.uint64(0x9E3779B97F4A7C15)
_MIX_PAGE = np.uint64(0x517CC1B727220A95)


class PageTable:
    """Rows by (run, page). A row number is any int from 0 to `rows_max` - 1."""

    def __init__(self, rows_max: int) -> None:
        # Zeros are memory that the system gives when it is first written.
        self.runs: Int64 = np.zeros(rows_max, np.int64)
        self.pages: Int64 = np.zeros(rows_max, np.int64)
        self.live = np.zeros(rows_max, bool)
        self._count = 0
        self._allocate(1024)

    def __len__(self) -> int:
        return self._count

    @property
    def cells(self) -> int:
        """Cells of the hash table, 4 bytes each."""
        return len(self._cells)

    def find(self, runs: Int64 | int, pages: Int64) -> Int32:
        """The row of each (run, page), -1 where there is none.

        Args:
            runs: int64, one for all pages or shape (n,).
            pages: int64, shape (n,).

        Returns:
            int32, shape (n,).
        """
        at = self._slot(runs, pages)
        rows = self._cells[at]
        same = self._same(rows, runs, pages)
        if same.all():
            return rows
        found = np.where(same, rows, np.int32(-1))
        left = np.flatnonzero(~same & (rows != _EMPTY))
        one_run = not isinstance(runs, np.ndarray)
        while len(left):
            at_left = (at[left] + 1) & self._mask
            at[left] = at_left
            rows = self._cells[at_left]
            same = self._same(rows, runs if one_run else runs[left], pages[left])  # type: ignore[index]
            found[left[same]] = rows[same]
            left = left[~same & (rows != _EMPTY)]
        return found

    def find_one(self, run: int, page: int) -> int:
        """As `find`, for one page."""
        at = self._slot_of(run, page)
        while (row := int(self._cells[at])) != _EMPTY:
            if row >= 0 and self.runs[row] == run and self.pages[row] == page:
                return row
            at = (at + 1) & int(self._mask)
        return -1

    def add(self, row: int, run: int, page: int) -> None:
        """Enter a row; the (run, page) must not be in the table."""
        if (self._used + 1) * 2 > len(self._cells):
            self._allocate(max(1024, 4 * (self._count + 1)))
        self.runs[row], self.pages[row] = run, page
        at = self._slot_of(run, page)
        while self._cells[at] >= 0:
            at = (at + 1) & int(self._mask)
        if self._cells[at] == _EMPTY:
            self._used += 1
        self._cells[at] = row
        self.live[row] = True
        self._count += 1

    def remove(self, row: int) -> None:
        """Take a row out."""
        run, page = int(self.runs[row]), int(self.pages[row])
        at = self._slot_of(run, page)
        while self._cells[at] != row:
            at = (at + 1) & int(self._mask)
        self._cells[at] = _REMOVED
        self.live[row] = False
        self._count -= 1

    def _slot(self, runs: Int64 | int, pages: Int64) -> npt.NDArray[np.int64]:
        # Arrays of one element wrap around in silence, scalars would warn.
        mixed = pages.view(np.uint64) * _MIX_PAGE
        mixed ^= np.atleast_1d(np.asarray(runs, np.int64)).view(np.uint64) * _MIX_RUN
        mixed ^= mixed >> np.uint64(29)
        mixed *= _MIX_RUN
        return (mixed >> self._shift).view(np.int64)

    def _slot_of(self, run: int, page: int) -> int:
        """As `_slot`, for one page: a NumPy call takes longer than all of this."""
        mixed = (page * int(_MIX_PAGE) ^ run * int(_MIX_RUN)) & _UINT64_MAX
        mixed ^= mixed >> 29
        return (mixed * int(_MIX_RUN) & _UINT64_MAX) >> int(self._shift)

    def _same(self, rows: Int32, runs: Int64 | int, pages: Int64) -> npt.NDArray[np.bool_]:
        # A negative cell reads some row from the end; `rows >= 0` rules it out.
        same: npt.NDArray[np.bool_] = (self.runs[rows] == runs) & (self.pages[rows] == pages)
        return same & (rows >= 0)

    def _allocate(self, cells: int) -> None:
        """A fresh table of a power of two cells, with the live rows entered again."""
        bits = (cells - 1).bit_length()
        self._cells: Int32 = np.full(1 << bits, _EMPTY, np.int32)
        self._mask = np.int64((1 << bits) - 1)
        self._shift = np.uint64(64 - bits)
        rows = np.flatnonzero(self.live)
        slots = self._slot(self.runs[rows], self.pages[rows]).tolist()
        for row, slot in zip(rows.tolist(), slots, strict=True):
            at = slot
            while self._cells[at] >= 0:
                at = (at + 1) & int(self._mask)
            self._cells[at] = row
        self._used = len(rows)
