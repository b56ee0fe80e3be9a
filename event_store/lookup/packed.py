"""Dense pages as planes, four to a cell: half the memory of a byte a slot. Pure.

Up to 8 files keep the planes as they are stored: which slots hold an event, then the index of the
file. Others are planes of the file's place counted from 1, 0 without an event: one cell up to 15
files, two up to 255. A few slots are answered without unpacking the others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.model import Int64, UInt8, UInt64
from event_store.pages.format import SLOTS_PER_PAGE

PLANE_BYTES = SLOTS_PER_PAGE // 8
PLANES_A_CELL = 4
# A cell holds places below this: one more file and there is a second one.
PLACES_A_CELL = 1 << PLANES_A_CELL
PACKED_BYTES = PLANES_A_CELL * PLANE_BYTES
PACKED_FILES_MAX = 255
STORED_FILES_MAX = 1 << (PLANES_A_CELL - 1)

# What the four bits of a slot say: the place itself, and in a cell of planes as stored.
_COUNTED = np.arange(PLACES_A_CELL, dtype=np.uint8)
_STORED = np.where(_COUNTED & 1, (_COUNTED >> 1) + 1, 0).astype(np.uint8)
_PLACES = np.concatenate([_COUNTED, _STORED])

# For a byte of a plane the 8 bytes of its slots, each worth 2**bit where its bit is set.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_SPREAD = [_BITS.view(np.uint64)[:, 0] << np.uint64(bit) for bit in range(PLANES_A_CELL)]


def packed_planes(stored: UInt64, n_files: Int64) -> tuple[UInt64, npt.NDArray[np.bool_]]:
    """Return planes as cells hold them, and which pages have an index of no file.

    Args:
        stored: uint64, shape (pages, planes, 128), of pages with equally many planes: which slots
            hold an event, then the index.
        n_files: int64, shape (pages,), 1 to PACKED_FILES_MAX.

    Returns:
        uint64, shape (pages, 4, 128), of cells, or (pages, 8, 128), of two of them.
    """
    files_max = 1 << (stored.shape[1] - 1)
    bad = np.zeros(len(stored), bool)
    if (n_files < files_max).any():
        bad = _reaches(stored[:, 1:] & stored[:, :1], n_files)
    if files_max > STORED_FILES_MAX:
        cells = 1 + int(n_files.max() >= PLACES_A_CELL)
        return _counted(stored, cells * PLANES_A_CELL), bad
    if stored.shape[1] == PLANES_A_CELL:
        return stored, bad
    planes = np.zeros((len(stored), PLANES_A_CELL, stored.shape[2]), np.uint64)
    planes[:, : stored.shape[1]] = stored
    return planes, bad


def _counted(stored: UInt64, planes: int) -> UInt64:
    """Return so many planes of the index plus 1, 0 where there is no event."""
    carry = stored[:, 0]
    counted = np.zeros((len(stored), planes, stored.shape[2]), np.uint64)
    for bit in range(stored.shape[1] - 1):
        index = stored[:, bit + 1] & stored[:, 0]
        np.bitwise_xor(index, carry, out=counted[:, bit])
        carry = index & carry
    if stored.shape[1] <= planes:
        counted[:, stored.shape[1] - 1] = carry
    return counted


def _reaches(index: UInt64, n_files: Int64) -> npt.NDArray[np.bool_]:
    """Return which pages have an index of their `n_files` or more."""
    n = n_files.astype(np.uint64)[:, np.newaxis]
    one = np.uint64(1)
    # From the lowest bit up: equal so far, or above.
    reaches = np.broadcast_to(~np.uint64(0), index[:, 0].shape)
    for bit in range(index.shape[1]):
        # All ones where the number of files has no such bit.
        clear = (n >> np.uint64(bit) & one) - one
        above = index[:, bit]
        reaches = reaches & above | (reaches | above) & clear
    found: npt.NDArray[np.bool_] = np.any(reaches, axis=1) & (n_files < 1 << index.shape[1])
    return found


def take_places(values: UInt8, at: Int64, bits: UInt8, stored: npt.NDArray[np.bool_]) -> UInt8:
    """Return what four planes say of some slots: the place of the file, or its lower four bits.

    Args:
        values: of all cells.
        at: int64, shape (n,), for each slot its byte in the first plane of its cell.
        bits: uint8, shape (n,), 0 to 7.
        stored: whether the planes are as they are stored.
    """
    places = stored.astype(np.uint8)
    for plane in reversed(range(PLANES_A_CELL)):
        one = values.take(at + plane * PLANE_BYTES)
        one >>= bits
        one &= 1
        places <<= 1
        places |= one
    return _PLACES.take(places)


def unpack(cells: UInt8, stored: npt.NDArray[np.bool_]) -> UInt8:
    """Return a byte a slot, uint8 of shape (pages, 8192).

    Args:
        cells: uint8, shape (pages, PACKED_BYTES).
        stored: bool, shape (pages,), which are planes as they are stored.
    """
    kept = np.flatnonzero(stored)
    if len(kept):
        planes = cells[kept].view(np.uint64).reshape(len(kept), PLANES_A_CELL, -1)
        places = _counted(planes, PLANES_A_CELL).view(np.uint8)
        if len(kept) == len(cells):
            cells = places.reshape(cells.shape)
        else:
            cells = cells.copy()
            cells[kept] = places.reshape(len(kept), PACKED_BYTES)
    first, *others = (cells[:, at : at + PLANE_BYTES] for at in range(0, PACKED_BYTES, PLANE_BYTES))
    spread: UInt64 = _SPREAD[0].take(first)
    for bit, plane in enumerate(others, 1):
        spread += _SPREAD[bit].take(plane)
    return spread.view(np.uint8)
