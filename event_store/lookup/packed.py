"""Dense pages as planes of each slot's place of its file, counted from 1: 0 without an event. Pure.

Four planes to a cell, so that up to 15 files take half the memory of a byte a slot, and a few
slots are answered without unpacking the others. Up to 255 files take two cells.
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

# For a byte of a plane the 8 bytes of its slots, each worth 2**bit where its bit is set.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_SPREAD = [_BITS.view(np.uint64)[:, 0] << np.uint64(bit) for bit in range(PLANES_A_CELL)]


def place_planes(stored: UInt64, n_files: int) -> tuple[UInt64, npt.NDArray[np.bool_]]:
    """Return planes of the index plus 1, and which pages have an index of no file.

    Args:
        stored: uint64, shape (pages, planes, 128), of pages of so many files each: which slots
            hold an event, then the index.
        n_files: 1 to PACKED_FILES_MAX.

    Returns:
        uint64, shape (pages, 4, 128), of cells, or (pages, 8, 128), of two of them.
    """
    carry = stored[:, 0]
    index = stored[:, 1:] & stored[:, :1]
    cells = 1 + (n_files >= PLACES_A_CELL)
    planes = np.zeros((len(stored), PLANES_A_CELL * cells, carry.shape[1]), np.uint64)
    for bit in range(index.shape[1]):
        np.bitwise_xor(index[:, bit], carry, out=planes[:, bit])
        carry = index[:, bit] & carry
    if index.shape[1] < planes.shape[1]:
        planes[:, index.shape[1]] = carry
    return planes, _reaches(index, n_files)


def _reaches(index: UInt64, n_files: int) -> npt.NDArray[np.bool_]:
    """Return which pages have an index of `n_files` or more."""
    lowest = (n_files & -n_files).bit_length() - 1
    if lowest == index.shape[1]:
        return np.zeros(len(index), bool)
    # From the lowest bit up: equal so far, or above.
    reaches = index[:, lowest]
    for bit in range(lowest + 1, index.shape[1]):
        reaches = reaches & index[:, bit] if n_files >> bit & 1 else reaches | index[:, bit]
    found: npt.NDArray[np.bool_] = np.any(reaches, axis=1)
    return found


def take_places(values: UInt8, at: Int64, bits: UInt8) -> UInt8:
    """Return the four bits of some slots: of each the byte in its first plane, and the bit there.

    Args:
        values: of all cells.
        at: int64, shape (n,).
        bits: uint8, shape (n,), 0 to 7.
    """
    places = np.zeros(len(at), np.uint8)
    for plane in range(PLANES_A_CELL):
        one = values.take(at + plane * PLANE_BYTES)
        one >>= bits
        one &= 1
        one <<= plane
        places |= one
    return places


def unpack(cells: UInt8) -> UInt8:
    """Return a byte a slot, uint8 of shape (pages, 8192), of cells (pages, PACKED_BYTES)."""
    first, *others = (cells[:, at : at + PLANE_BYTES] for at in range(0, PACKED_BYTES, PLANE_BYTES))
    spread: UInt64 = _SPREAD[0].take(first)
    for bit, plane in enumerate(others, 1):
        spread += _SPREAD[bit].take(plane)
    return spread.view(np.uint8)
