"""A hash table from (run, page) to a row number, looked up for whole arrays at once.

Open addressing with linear probing in NumPy, so that a batch of pairs needs neither a Python loop
nor a sort. Pure.
"""

from __future__ import annotations

import secrets

import numpy as np
import numpy.typing as npt

from event_store.arrays import moved, zeros
from event_store.model import Int32, Int64

_CELLS_MIN = 1 << 12
# With fewer cells a row the searches become long; a new table has more.
_CELLS_A_ROW_MIN, _CELLS_A_ROW = 4, 8
_EMPTY, _REMOVED = -1, -2
_ROWS_A_STEP = 1 << 14
# Odd, and drawn at the start: who knew them could ask for pages that share a cell, each of which
# makes all others slower.
_MIX_RUN, _MIX_PAGE, _MIX_BOTH = (np.uint64(secrets.randbits(64) | 1) for _ in range(3))


class PageTable:
    """Rows by (run, page). A row number is any int from 0 to `rows_max` - 1."""

    def __init__(self, rows_max: int) -> None:
        self.runs: Int64 = zeros(rows_max, np.int64)
        self.pages: Int64 = zeros(rows_max, np.int64)
        self.live = zeros(rows_max, bool)
        self._count = 0
        # No row from here on was ever entered.
        self._end = 0
        self._allocate(_CELLS_MIN)

    def __len__(self) -> int:
        return self._count

    @property
    def cells(self) -> int:
        """Cells of the hash table, 4 bytes each."""
        return len(self._cells)

    def find(self, runs: Int64 | int, pages: Int64) -> Int32:
        """Return the row of each (run, page), -1 where there is none.

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

    def add(self, rows: Int32, runs: Int64, pages: Int64) -> None:
        """Enter rows; no (run, page) may be in the table already, or come twice."""
        if (self._used + len(rows)) * _CELLS_A_ROW_MIN > len(self._cells):
            self._allocate(_CELLS_A_ROW * (self._count + len(rows)))
        self._end = max(self._end, int(rows.max(initial=-1)) + 1)
        self.runs[rows], self.pages[rows] = runs, pages
        self._enter(rows)
        self.live[rows] = True
        self._count += len(rows)

    def remove(self, rows: Int32) -> None:
        """Take rows out."""
        at = self._slot(self.runs[rows], self.pages[rows])
        left = rows
        while len(left):
            there = self._cells[at] == left
            self._cells[at[there]] = _REMOVED
            at, left = (at[~there] + 1) & self._mask, left[~there]
        self.live[rows] = False
        self._count -= len(rows)

    def renumber(self) -> None:
        """Renumber the rows from 0, in their order."""
        self.runs, self.pages = moved(self.runs, self.live), moved(self.pages, self.live)
        self.live = moved(self.live, self.live)
        self._end = self._count
        self._allocate(_CELLS_A_ROW * self._count)

    def _slot(self, runs: Int64 | int, pages: Int64) -> npt.NDArray[np.int64]:
        # NumPy warns when a scalar overflows, and not for an array of one element.
        mixed = pages.view(np.uint64) * _MIX_PAGE
        mixed ^= np.atleast_1d(np.asarray(runs, np.int64)).view(np.uint64) * _MIX_RUN
        mixed ^= mixed >> np.uint64(29)
        mixed *= _MIX_BOTH
        return (mixed >> self._shift).view(np.int64)

    def _same(self, rows: Int32, runs: Int64 | int, pages: Int64) -> npt.NDArray[np.bool_]:
        # A negative cell reads some row from the end; `rows >= 0` rules it out.
        same: npt.NDArray[np.bool_] = (self.runs[rows] == runs) & (self.pages[rows] == pages)
        return same & (rows >= 0)

    def _allocate(self, cells: int) -> None:
        """Make a new table of a power of two cells, and enter the live rows again."""
        bits = (max(_CELLS_MIN, cells) - 1).bit_length()
        self._cells: Int32 = zeros(1 << bits, np.int32)
        self._cells[:] = _EMPTY
        self._mask = np.int64((1 << bits) - 1)
        self._shift = np.uint64(64 - bits)
        self._used = 0
        for first in range(0, self._end, _ROWS_A_STEP):
            live = np.flatnonzero(self.live[first : first + _ROWS_A_STEP])
            self._enter((first + live).astype(np.int32))

    def _enter(self, rows: Int32) -> None:
        """Write rows into the first free cells after their slots."""
        at, left = self._slot(self.runs[rows], self.pages[rows]), rows
        while len(left):
            before = self._cells[at]
            free = before < 0
            self._cells[at[free]] = left[free]
            # Where several rows want one cell the last one gets it.
            entered = self._cells[at] == left
            self._used += int(np.count_nonzero(entered & (before == _EMPTY)))
            at, left = (at[~entered] + 1) & self._mask, left[~entered]
