"""Arrays: their memory, where equal values begin, and numbers for the values that occur. Pure."""

from __future__ import annotations

import mmap
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Int64: TypeAlias = npt.NDArray[np.int64]
Int32: TypeAlias = npt.NDArray[np.int32]
# NumPy's own type of an index.
Places: TypeAlias = npt.NDArray[np.intp]
Column = TypeVar("Column", bound=npt.NDArray[Any])

# Larger temporary arrays would stay with the allocator.
_STEP = 1 << 14
# Up to so many possible values it is faster to mark those that occur than to sort.
_MARKED_MAX = 1 << 14
_NUMBERS_MIN = 64


def mapped(size: int) -> mmap.mmap:
    """Return memory of the system's own, all zeros."""
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def zeros(n: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros as `np.zeros` does; their memory goes back to the system when they are freed.

    NumPy asks for pages of 2 MB when an array is large, and its allocator keeps what is freed.
    """
    return np.frombuffer(mapped(n * np.dtype(dtype).itemsize), dtype)


def moved(values: Column, keep: npt.NDArray[np.bool_]) -> Column:
    """Return a fresh array of the same length that begins with the values to keep."""
    fresh = zeros(len(values), values.dtype)
    end = 0
    for first in range(0, len(values), _STEP):
        kept = values[first : first + _STEP][keep[first : first + _STEP]]
        fresh[end : end + len(kept)] = kept
        end += len(kept)
    return fresh  # type: ignore[return-value]


def ragged(firsts: Int64, lengths: Int64) -> Int64:
    """Return `lengths[0]` numbers from `firsts[0]` on, `lengths[1]` from `firsts[1]` on, …"""
    ends = np.cumsum(lengths)
    places: Int64 = np.repeat(firsts - ends + lengths, lengths)
    places += np.arange(len(places))
    return places


def starts(values: npt.NDArray[Any]) -> Places:
    """Return where runs of equal values begin: 0 and each place that differs from the last.

    `np.flatnonzero(np.diff(values, prepend=…))` says the same and takes ten times as long.
    """
    if not len(values):
        return np.empty(0, np.intp)
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([np.zeros(1, np.intp), cuts])


def numbered(used: npt.NDArray[Any]) -> tuple[Places, Places]:
    """Return the places that are marked, and for each marked place its number among them."""
    places = np.flatnonzero(used)
    number = np.empty(len(used), np.intp)
    number[places] = np.arange(len(places))
    return places, number


def number_values(values: npt.NDArray[np.signedinteger[Any]], end: int) -> tuple[Places, Places]:
    """Return the distinct values, ascending, and the place of each value among them.

    Args:
        values: from 0 to `end` - 1.
        end: how many different values there could be.
    """
    if end > max(_MARKED_MAX, 4 * len(values)):
        found, place = np.unique(values, return_inverse=True)
        return found.astype(np.intp), place.astype(np.intp)
    found, number = numbered(np.bincount(values, minlength=end))
    return found, number.take(values)


def distinct(values: Int64) -> tuple[Int64, Places]:
    """Do as `np.unique(values, return_inverse=True)`, without sorting where the range is small."""
    low = int(values.min())
    found, place = number_values(values - low, int(values.max()) - low + 1)
    return found + low, place


class Numbers:
    """Numbers from `first` on, to give out: those that came back last, then new ones.

    Attributes:
        end: no number from here on was given out yet.
        free: how many came back and wait.
    """

    def __init__(self, first: int) -> None:
        self.end = first
        self.free = 0
        self._back: Int32 = np.empty(_NUMBERS_MIN, np.int32)

    def take(self, n: int) -> Int32:
        """Take n numbers."""
        again = min(n, self.free)
        numbers = np.arange(self.end - again, self.end - again + n, dtype=np.int32)
        self.free -= again
        numbers[:again] = self._back[self.free : self.free + again]
        self.end += n - again
        return numbers

    def give(self, numbers: Int32) -> None:
        """Give numbers back."""
        free = self.free + len(numbers)
        if free > len(self._back):
            more = np.empty(2 * free - len(self._back), np.int32)
            self._back = np.concatenate([self._back, more])
        self._back[self.free : free] = numbers
        self.free = free

    def withdraw(self, n: int) -> Int32:
        """Take up to n numbers that came back, and no new one."""
        return self.take(min(max(0, n), self.free))
