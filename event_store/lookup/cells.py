"""Cells of equal size in one mapping, for the pages of the cache. Pure."""

from __future__ import annotations

import mmap

import numpy as np

from event_store.arrays import Numbers, mapped
from event_store.model import Int32, UInt8

# Huge pages save a miss of the processor's address table at each random access. One is 2 MB, which
# would put a small cache over its bound.
_HUGE_PAGES_BYTES_MIN = 64 << 20


class Cells:
    """Cells of `cell_bytes` in one anonymous mapping; cell 0 is always zero.

    The mapping is as large as the bound, but memory is taken when a cell is first written, and
    given back to the system by `trim`.
    """

    def __init__(self, bytes_max: int, cell_bytes: int) -> None:
        cells = bytes_max // cell_bytes + 2
        self.cell_bytes = cell_bytes
        self._map = mapped(cells * cell_bytes)
        self._huge = len(self._map) >= _HUGE_PAGES_BYTES_MIN and hasattr(mmap, "MADV_HUGEPAGE")
        if self._huge:
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.values: UInt8 = np.frombuffer(self._map, np.uint8)
        self.cells = self.values.reshape(cells, cell_bytes)
        self._numbers = Numbers(1)
        self._given_back = Numbers(0)
        self.used = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory in use."""
        return self.used * self.cell_bytes

    def put(self, cells: UInt8) -> Int32:
        """Store cells, uint8 of shape (n, cell_bytes); returns their numbers."""
        n = len(cells)
        # Memory that is still there first, then what was given back, then what was never used.
        again = self._numbers.withdraw(n)
        empty = self._given_back.withdraw(n - len(again))
        fresh = self._numbers.take(n - len(again) - len(empty))
        self.used += n
        if len(fresh) == n and n:
            self.cells[fresh[0] : fresh[0] + n] = cells
            return fresh
        numbers = np.concatenate([again, empty, fresh])
        self.cells[numbers] = cells
        return numbers

    def drop(self, numbers: Int32) -> None:
        """Free cells."""
        self._numbers.give(numbers)
        self.used -= len(numbers)

    def trim(self, bytes_spare: int) -> None:
        """Give the memory of free cells back to the system, but for a few.

        Where its pages are larger than a cell they are kept: neighbours may be in use.
        """
        if self.cell_bytes % mmap.PAGESIZE:
            return
        numbers = self._numbers.withdraw(self._numbers.free - bytes_spare // self.cell_bytes)
        if len(numbers) and self._huge:
            # The system would fill the gaps to have huge pages again; the last one has cells that
            # were never used.
            self._map.madvise(mmap.MADV_NOHUGEPAGE)
            unused = self._numbers.end * self.cell_bytes
            self._map.madvise(mmap.MADV_DONTNEED, unused, len(self._map) - unused)
            self._huge = False
        for number in numbers.tolist():
            self._map.madvise(mmap.MADV_DONTNEED, number * self.cell_bytes, self.cell_bytes)
        self._given_back.give(numbers)
