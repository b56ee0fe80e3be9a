"""The selected events of many pages at once: dense pages stacked, masked and unpacked together.

A loop over pages costs more than the planes do. Planes that a page lacks count as zeros. Events
that a mask rules out are never unpacked. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.model import Int64, UInt8
from event_store.pages.copy import ScannedPage
from event_store.pages.format import SLOT_BITS, SLOTS_PER_PAGE
from event_store.select.selection import Selection, by_slot, masked_olt, select, take

_PLANE_BYTES = SLOTS_PER_PAGE // 8
# Positions unpacked at a time: their arrays stay in a core's cache.
_BYTES_PER_BLOCK = 1 << 13
_LOWEST_BITS = np.uint64(0x0101010101010101)
_TO_HIGHEST_BYTE = np.uint64(0x0102040810204080)

Index = npt.NDArray[np.intp]


class Chosen(NamedTuple):
    """Selected events of several pages, in their order; shape (n,) each.

    `page` is a place in the list of pages, `file_index` an index into the files of that page.
    `olt` is of the smallest type that holds the planes.
    """

    page: Index
    events: Int64
    file_index: npt.NDArray[np.unsignedinteger] | Index
    olt: npt.NDArray[np.unsignedinteger]


def choose(pages: Sequence[ScannedPage], selection: Selection) -> Chosen:
    """Return the events of a selection in some pages, in the order of the pages."""
    dense = [place for place, page in enumerate(pages) if page.page.slots is None]
    parts = [_one(pages[place], place, selection) for place in _others(dense, len(pages))]
    if dense:
        parts.append(_stacked([pages[place] for place in dense], dense, selection))
    if len(parts) == 1:
        return parts[0]
    joined = Chosen(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(joined.page, kind="stable")
    return Chosen._make(column[order] for column in joined)


def _others(places: Sequence[int], count: int) -> list[int]:
    return sorted(set(range(count)).difference(places))


def _one(scanned: ScannedPage, place: int, selection: Selection) -> Chosen:
    _, page_no, page = scanned
    events, index, olt = take(page, page_no, select(page, page_no, selection))
    return Chosen(np.full(len(events), place), events, index, olt)


def _stacked(scanned: Sequence[ScannedPage], places: list[int], selection: Selection) -> Chosen:
    pages = [page.page for page in scanned]
    file_planes = _stack([page.file_planes for page in pages])
    olt_planes = _stack([page.olt_planes for page in pages])
    mask = _mask(scanned, file_planes[:, 0], olt_planes, selection).reshape(-1)
    used = np.flatnonzero(mask != 0)
    first = np.array([one.page_no << SLOT_BITS for one in scanned], np.int64)
    first -= np.arange(len(scanned), dtype=np.int64) << SLOT_BITS
    blocks = [
        _unpack(mask, used[at : at + _BYTES_PER_BLOCK], first, file_planes, olt_planes)
        for at in range(0, max(len(used), 1), _BYTES_PER_BLOCK)
    ]
    chosen = Chosen(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
    if len(places) == places[-1] + 1:
        return chosen
    return chosen._replace(page=np.array(places).take(chosen.page))


def _stack(planes: list[bytes]) -> UInt8:
    """Return planes of pages: uint8, shape (pages, planes, bytes of a plane)."""
    size = max(map(len, planes))
    stacked = b"".join([plane.ljust(size, b"\0") for plane in planes])
    return np.frombuffer(stacked, np.uint8).reshape(len(planes), -1, _PLANE_BYTES)


def _mask(
    scanned: Sequence[ScannedPage], presence: UInt8, olt_planes: UInt8, selection: Selection
) -> UInt8:
    """Return the selected slots of each page: uint8, shape (pages, bytes of a plane)."""
    if selection.by_file:
        return np.stack([select(page, page_no, selection) for _, page_no, page in scanned])
    mask = presence
    if selection.by_olt:
        mask = masked_olt(mask, olt_planes.transpose(1, 0, 2), selection)
    if selection.by_event:
        mask = mask & np.stack([by_slot(page, page_no, selection) for _, page_no, page in scanned])
    return mask


def _unpack(
    mask: UInt8, used: Index, first: Int64, file_planes: UInt8, olt_planes: UInt8
) -> Chosen:
    """Return the events in the `used` bytes of a mask; `first` leads from positions to numbers."""
    at = np.flatnonzero(np.unpackbits(mask.take(used), bitorder="little").view(bool))
    row = at >> 3
    at &= 7
    bit = at.astype(np.uint64)
    at |= used.take(row) << 3
    page = at >> SLOT_BITS
    at += first.take(page)
    file_index = _values(file_planes, 1, used, row, bit)
    return Chosen(page, at, file_index, _values(olt_planes, 0, used, row, bit))


def _values(
    stacked: UInt8, skip: int, used: Index, row: Index, bit: npt.NDArray[np.uint64]
) -> npt.NDArray[np.unsignedinteger]:
    """Return the values at some bits of some bytes, by the planes from `skip` on.

    The bytes of eight planes become a word. What is left of it are the eight bits at one place,
    which a multiplication brings together in the highest byte.
    """
    planes = stacked.shape[1]
    at = (used >> 10) * ((planes - 1) * _PLANE_BYTES) + used
    flat = stacked.reshape(-1)
    dtype = np.min_scalar_type((1 << (planes - skip)) - 1)
    values = np.zeros((len(row), dtype.itemsize), np.uint8)
    for low in range(skip, planes, 8):
        group = range(low, min(low + 8, planes))
        bytes_of = np.zeros((len(used), 8), np.uint8)
        for plane in group:
            bytes_of[:, plane - low] = flat[plane * _PLANE_BYTES :].take(at, mode="clip")
        words = bytes_of.view("<u8")[:, 0].take(row)
        words >>= bit
        words &= _LOWEST_BITS
        words *= _TO_HIGHEST_BYTE
        words >>= np.uint64(56)
        values[:, (low - skip) // 8] = words
    narrow: npt.NDArray[np.unsignedinteger] = values.view(dtype.newbyteorder("<"))[:, 0]
    return narrow
