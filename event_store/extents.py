"""Short runs of int32 in one array: taken from the end, closed up when too much is free. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.model import Int32, Int64

_CELLS_MIN = 1 << 12
# Rows that are moved in one step: the indexes of the step are larger than the values.
_ROWS_AT_ONCE = 1 << 10


class Extents:
    """For each of `rows_max` rows a run of int32 values at `offset[row]`, `length[row]` long.

    Row numbers are the caller's. `values[0]` is always 0 and belongs to nobody.
    """

    def __init__(self, rows_max: int) -> None:
        self.offset: Int64 = np.zeros(rows_max, np.int64)
        self.length: Int32 = np.zeros(rows_max, np.int32)
        self.values: Int32 = np.zeros(_CELLS_MIN, np.int32)
        self._end = 1
        self._rows_end = 0
        self._live = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the live values and the spare room that moving them together leaves."""
        return 4 * _cells_for(self._live)

    def put(self, row: int, values: npt.NDArray[np.int32]) -> None:
        """Give a row its values; it must have none."""
        n = len(values)
        if self._end + n > len(self.values):
            self._close_up(n)
        self.values[self._end : self._end + n] = values
        self.offset[row], self.length[row] = self._end, n
        self._rows_end = max(self._rows_end, row + 1)
        self._end += n
        self._live += n

    def get(self, row: int) -> Int32:
        """The values of a row."""
        first = int(self.offset[row])
        return self.values[first : first + int(self.length[row])]

    def drop(self, row: int) -> None:
        """Free a row's values."""
        self._live -= int(self.length[row])
        self.offset[row] = self.length[row] = 0

    def trim(self) -> None:
        """Give memory back where most of the array is free."""
        if len(self.values) > 2 * _cells_for(self._live):
            self._close_up(0)

    def _close_up(self, n: int) -> None:
        """Move the live values together, into an array with room for `n` more."""
        values = np.zeros(_cells_for(self._live + n), np.int32)
        rows = np.flatnonzero(self.length[: self._rows_end])
        end = 1
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[first : first + _ROWS_AT_ONCE]
            lengths = self.length[some].astype(np.int64)
            to = end + np.cumsum(lengths) - lengths
            total = int(lengths.sum())
            source = np.repeat(self.offset[some] - to, lengths) + np.arange(end, end + total)
            values[end : end + total] = self.values[source]
            self.offset[some] = to
            end += total
        self.values, self._end = values, end


def _cells_for(live: int) -> int:
    """An eighth of spare room: the moves then cost 8 copies of a value in all."""
    return max(_CELLS_MIN, 1 + live * 9 // 8)
