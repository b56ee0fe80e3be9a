"""Arrays that take memory where they are written, not where they might be. Pure."""

from __future__ import annotations

import mmap
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Column = TypeVar("Column", bound=npt.NDArray[Any])

# Larger temporary arrays would stay with the allocator.
_STEP = 1 << 14


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


def ragged(firsts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return `lengths[0]` numbers from `firsts[0]` on, `lengths[1]` from `firsts[1]` on, …"""
    ends = np.cumsum(lengths)
    places: npt.NDArray[np.int64] = np.repeat(firsts - ends + lengths, lengths)
    places += np.arange(len(places))
    return places
