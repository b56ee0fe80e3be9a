"""Short runs of int32 in one mapping: taken from the end, closed up when too much is free. Pure."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt

from event_store.arrays import mapped, moved, ragged, zeros
from event_store.model import Int32, Int64

_CELLS_MIN = 1 << 12
# Rows moved in one step; its memory is that of the index arrays, not of the values.
_ROWS_AT_ONCE = 1 << 8


class Extents:
    """For each of `rows_max` rows a run of int32 values at `offset[row]`, `length[row]` long.

    Row numbers are the caller's. `values[0]` is always 0 and belongs to nobody. The mapping is as
    large as the bound, but memory is taken where values are first written.
    """

    def __init__(self, rows_max: int, bytes_max: int) -> None:
        self.offset: Int64 = zeros(rows_max, np.int64)
        self.length: Int32 = zeros(rows_max, np.int32)
        self._make_map(_cells_for(bytes_max // 4))
        self._end = 1
        # Up to this many values are written before the live ones are moved together.
        self._room = _CELLS_MIN
        self._rows_end = 0
        self._live = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the live values and the spare room that moving them together leaves."""
        return 4 * _cells_for(self._live)

    def put(self, rows: Int32, values: Int32, lengths: Int64) -> None:
        """Give rows, which have none, their values: the first `lengths[0]` to `rows[0]`, ..."""
        n = len(values)
        if self._end + n > self._room:
            self._close_up(n)
        self.values[self._end : self._end + n] = values
        self.offset[rows], self.length[rows] = self._end + np.cumsum(lengths) - lengths, lengths
        self._rows_end = max(self._rows_end, int(rows.max(initial=-1)) + 1)
        self._end += n
        self._live += n

    def get(self, row: int) -> Int32:
        """Return the values of a row."""
        first = int(self.offset[row])
        return self.values[first : first + int(self.length[row])]

    def drop(self, rows: Int32) -> None:
        """Free the values of rows."""
        self._live -= int(self.length[rows].sum())
        self.offset[rows] = self.length[rows] = 0

    def trim(self, bytes_spare: int) -> None:
        """Give memory back when more than so much of the array is of no use."""
        if 4 * self._room > self.nbytes + bytes_spare:
            self._close_up(0)

    def renumber(self, keep: npt.NDArray[np.bool_]) -> None:
        """Renumber the rows to keep from 0, in their order; the others must have no values."""
        self.offset, self.length = moved(self.offset, keep), moved(self.length, keep)
        self._rows_end = int(np.count_nonzero(keep))

    def _make_map(self, cells: int) -> None:
        self._map = mapped(4 * cells)
        self.values: Int32 = np.frombuffer(self._map, np.int32)

    def _close_up(self, n: int) -> None:
        """Move the live values together, and give back what is beyond them and room for `n`."""
        rows = np.flatnonzero(self.length[: self._rows_end])
        # In the order in which they lie: nothing is overwritten that was not moved.
        rows = rows[np.argsort(self.offset[rows])]
        end = 1
        if self._end == self._live + 1:
            # Nothing lies between them.
            rows, end = rows[:0], self._end
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            lengths = self.length[some].astype(np.int64)
            source = ragged(self.offset[some], lengths)
            if source[-1] >= end + len(source):
                self.values[end : end + len(source)] = self.values[source]
                self.offset[some] = end + np.cumsum(lengths) - lengths
            end += len(source)
        self._end, self._room = end, _cells_for(self._live + n)
        if self._room > len(self.values):
            # A single page may be larger than the bound.
            live = self.values[:end]
            self._make_map(self._room)
            self.values[:end] = live
        unused = -(-4 * self._room // mmap.PAGESIZE) * mmap.PAGESIZE
        if unused < len(self._map):
            self._map.madvise(mmap.MADV_DONTNEED, unused, len(self._map) - unused)


def _cells_for(live: int) -> int:
    """Return the cells with an eighth to spare: moves then cost 8 copies of a value in all."""
    return max(_CELLS_MIN, 1 + live * 9 // 8)
