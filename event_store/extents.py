"""Short runs of int32 in one array: taken from the end, closed up when too much is free. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.memory import moved, ragged, zeros
from event_store.model import Int32, Int64

_CELLS_MIN = 1 << 12
# Rows that are moved in one step: the indexes of the step are larger than the values.
_ROWS_AT_ONCE = 1 << 10


class Extents:
    """For each of `rows_max` rows a run of int32 values at `offset[row]`, `length[row]` long.

    Row numbers are the caller's. `values[0]` is always 0 and belongs to nobody.
    """

    def __init__(self, rows_max: int) -> None:
        self.offset: Int64 = zeros(rows_max, np.int64)
        self.length: Int32 = zeros(rows_max, np.int32)
        self.values: Int32 = zeros(_CELLS_MIN, np.int32)
        self._end = 1
        self._rows_end = 0
        self._live = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the live values and the spare room that moving them together leaves."""
        return 4 * _cells_for(self._live)

    def put(self, rows: Int32, values: Int32, lengths: Int64) -> None:
        """Give rows, which have none, their values: the first `lengths[0]` to `rows[0]`, ..."""
        n = len(values)
        if self._end + n > len(self.values):
            self._close_up(n)
        self.values[self._end : self._end + n] = values
        self.offset[rows], self.length[rows] = self._end + np.cumsum(lengths) - lengths, lengths
        self._rows_end = max(self._rows_end, int(rows.max(initial=-1)) + 1)
        self._end += n
        self._live += n

    def get(self, row: int) -> Int32:
        """The values of a row."""
        first = int(self.offset[row])
        return self.values[first : first + int(self.length[row])]

    def drop(self, rows: Int32) -> None:
        """Free the values of rows."""
        self._live -= int(self.length[rows].sum())
        self.offset[rows] = self.length[rows] = 0

    def trim(self, bytes_spare: int) -> None:
        """Give memory back when more than so much of the array is of no use."""
        if self.values.nbytes > self.nbytes + bytes_spare:
            self._close_up(0)

    def renumber(self, keep: npt.NDArray[np.bool_]) -> None:
        """Number the rows to keep from 0, in their order; the others must have no values."""
        self.offset, self.length = moved(self.offset, keep), moved(self.length, keep)
        self._rows_end = int(np.count_nonzero(keep))

    def _close_up(self, n: int) -> None:
        """Move the live values together, into an array with room for `n` more."""
        values = zeros(_cells_for(self._live + n), np.int32)
        rows = np.flatnonzero(self.length[: self._rows_end])
        end = 1
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            lengths = self.length[some].astype(np.int64)
            source = ragged(self.offset[some], lengths)
            values[end : end + len(source)] = self.values[source]
            self.offset[some] = end + np.cumsum(lengths) - lengths
            end += len(source)
        self.values, self._end = values, end


def _cells_for(live: int) -> int:
    """An eighth of spare room: the moves then cost 8 copies of a value in all."""
    return max(_CELLS_MIN, 1 + live * 9 // 8)
