"""Rows of one byte a slot in one mapping, for the pages of the cache. Pure."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt

from event_store.page import SLOTS_PER_PAGE


class Cells:
    """Rows of 8,192 bytes in one anonymous mapping; row 0 is always zero.

    The mapping is as large as the bound, but memory is taken row by row when it is written, and
    given back to the system when a row is dropped.
    """

    def __init__(self, rows: int) -> None:
        self._map = mmap.mmap(-1, rows * SLOTS_PER_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.values: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._free: list[int] = []
        self._end = 1
        self.used = 0

    def put(self, row: npt.NDArray[np.uint8]) -> int:
        """Store a row; returns its number."""
        number = self._free.pop() if self._free else self._end
        self._end = max(self._end, number + 1)
        first = number * SLOTS_PER_PAGE
        self.values[first : first + SLOTS_PER_PAGE] = row
        self.used += 1
        return number

    def drop(self, number: int) -> None:
        """Free a row."""
        self._map.madvise(mmap.MADV_DONTNEED, number * SLOTS_PER_PAGE, SLOTS_PER_PAGE)
        self._free.append(number)
        self.used -= 1
