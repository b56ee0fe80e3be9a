"""Rows of one byte a slot in one mapping, for the pages of the cache. Pure."""

from __future__ import annotations

import mmap

import numpy as np
import numpy.typing as npt

from event_store.arrays import mapped, take_last
from event_store.model import Int32, UInt8
from event_store.pages.format import SLOTS_PER_PAGE

# Huge pages save a miss of the processor's address table at each random access. One is 2 MB, which
# would put a small cache over its bound.
_HUGE_PAGES_BYTES_MIN = 64 << 20


class Cells:
    """Rows of 8,192 bytes in one anonymous mapping; row 0 is always zero.

    The mapping is as large as the bound, but memory is taken when a row is first written, and
    given back to the system by `trim`.
    """

    def __init__(self, rows: int) -> None:
        size = rows * SLOTS_PER_PAGE
        self._map = mapped(size)
        self._huge = size >= _HUGE_PAGES_BYTES_MIN and hasattr(mmap, "MADV_HUGEPAGE")
        if self._huge:
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.values: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._rows = self.values.reshape(rows, SLOTS_PER_PAGE)
        self._free: list[int] = []
        self._given_back: list[int] = []
        self._end = 1
        self.used = 0

    def put(self, rows: UInt8) -> Int32:
        """Store rows, uint8 of shape (n, 8192); returns their numbers."""
        n = len(rows)
        numbers = take_last(self._free, n)
        numbers += take_last(self._given_back, n - len(numbers))
        fresh = n - len(numbers)
        numbers += range(self._end, self._end + fresh)
        self._end += fresh
        taken: Int32 = np.array(numbers, np.int32)
        self._rows[taken] = rows
        self.used += n
        return taken

    def drop(self, numbers: Int32) -> None:
        """Free rows."""
        self._free += numbers.tolist()
        self.used -= len(numbers)

    def trim(self, bytes_spare: int) -> None:
        """Give the memory of free rows back to the system, but for a few.

        Where its pages are larger than a row they are kept: neighbours may be in use.
        """
        if SLOTS_PER_PAGE % mmap.PAGESIZE:
            return
        numbers = take_last(self._free, len(self._free) - bytes_spare // SLOTS_PER_PAGE)
        if numbers and self._huge:
            # The system would fill the gaps to have huge pages again.
            self._map.madvise(mmap.MADV_NOHUGEPAGE)
            self._huge = False
        for number in numbers:
            self._map.madvise(mmap.MADV_DONTNEED, number * SLOTS_PER_PAGE, SLOTS_PER_PAGE)
        self._given_back += numbers
