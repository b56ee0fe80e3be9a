"""Which events of a page a selection takes, computed on the bit planes. Pure.

A mask is one bit a position, packed like a plane: uint8 of shape (1024,) for a dense page,
(⌈n/8⌉,) for a sparse one. Events that a mask rules out are never unpacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.errors import CorruptPageError
from event_store.model import NUMBER_MAX, RAW, Int64, UInt8, UInt64
from event_store.pages.format import (
    FUID_DTYPE,
    SLOT_BITS,
    SLOTS_PER_PAGE,
    PackedPage,
    index_plane_rows,
    olt_plane_rows,
    presence_plane,
    values_at,
)

_DENSE_BYTES = SLOTS_PER_PAGE // 8
# With more wanted files than this in a page, unpacking the file indexes is faster than masking.
_FILES_BY_PLANES_MAX = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """Events by run ranges, event range, dataset, RAW file (16 bytes) and masks of `olt_result`.

    All bounds are inclusive. `olt_any` = 0 sets no condition.
    """

    run_first: int = 0
    run_last: int = NUMBER_MAX
    event_first: int = 0
    event_last: int = NUMBER_MAX
    dsid: int | None = None
    fuid: bytes | None = None
    olt_all: int = 0
    olt_any: int = 0
    olt_none: int = 0
    # Ascending and apart; empty does not restrict.
    run_ranges: tuple[tuple[int, int], ...] = ()
    collection: int = RAW
    # Events that all of these collections have too, and that none of those has.
    also_in: tuple[int, ...] = ()
    not_in: tuple[int, ...] = ()
    # The collection whose `olt_result` counts; None: its own.
    olt_from: int | None = None

    @property
    def across(self) -> bool:
        """Whether other collections matter."""
        return bool(self.also_in or self.not_in or self.olt_from is not None)

    @property
    def run_multirange(self) -> str | None:
        """The ranges as a constant of PostgreSQL's type int8multirange, None without ranges."""
        if not self.run_ranges:
            return None
        return "{" + ",".join(f"[{first},{last}]" for first, last in self.run_ranges) + "}"

    @property
    def by_file(self) -> bool:
        """Whether the files of events matter."""
        return self.dsid is not None or self.fuid is not None

    @property
    def by_olt(self) -> bool:
        """Whether `olt_result` matters."""
        return bool(self.olt_all or self.olt_any or self.olt_none)

    @property
    def whole_pages(self) -> bool:
        """Whether every event of every page of its runs is meant."""
        return not (self.by_file or self.by_olt or self.by_event)

    @property
    def by_event(self) -> bool:
        """Whether a part of a run's events is meant."""
        return self.event_first > 0 or self.event_last < NUMBER_MAX


class Selected(NamedTuple):
    """The selected events of a page: event numbers, files of the page, masks; shape (n,) each."""

    events: Int64
    file_index: npt.NDArray[np.intp]
    olt: UInt64


def select(page: PackedPage, page_no: int, selection: Selection) -> UInt8:
    """Return the mask of the selected events of a page."""
    mask = presence_plane(page)
    if selection.by_olt:
        mask = masked_olt(mask, olt_plane_rows(page), selection)
    if selection.by_file:
        mask = _by_file(mask, page, selection)
    first, last = page_no << SLOT_BITS, (page_no << SLOT_BITS) + SLOTS_PER_PAGE - 1
    if first < selection.event_first or last > selection.event_last:
        mask = mask & by_slot(page, page_no, selection)
    return mask


def take(page: PackedPage, page_no: int, mask: UInt8) -> Selected:
    """Return the events of a mask, ascending."""
    at = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
    slots = at if page.slots is None else page.slots[at].astype(np.int64)
    return Selected(
        (page_no << SLOT_BITS) + slots,
        values_at(index_plane_rows(page), at).astype(np.intp),
        values_at(olt_plane_rows(page), at),
    )


def count(mask: UInt8) -> int:
    """Return the number of events of a mask."""
    return int(np.bitwise_count(mask).sum())


def count_bits(page: PackedPage, mask: UInt8) -> Int64:
    """Return how many selected events have each bit of `olt_result`: int64, shape (64,)."""
    counts = np.zeros(64, np.int64)
    planes = olt_plane_rows(page)
    counts[: len(planes)] = np.bitwise_count(planes & mask).sum(axis=1, dtype=np.int64)
    return counts


def count_all_bits(pages: Sequence[PackedPage]) -> Int64:
    """Return how many events of some pages have each bit: int64, shape (64,).

    All pages with equally many planes in one go: no mask, no loop over pages.
    """
    counts = np.zeros(64, np.int64)
    by_size: dict[tuple[int, int], list[bytes]] = {}
    for page in pages:
        width = _DENSE_BYTES if page.slots is None else (page.n_events + 7) // 8
        by_size.setdefault((width, len(page.olt_planes)), []).append(page.olt_planes)
    for (width, size), planes in by_size.items():
        if size:
            dtype = np.uint64 if width % 8 == 0 else np.uint8
            bits = np.frombuffer(b"".join(planes), dtype).reshape(len(planes), size // width, -1)
            counts[: size // width] += np.bitwise_count(bits).sum(axis=(0, 2), dtype=np.int64)
    return counts


def count_bit_pairs(page: PackedPage, mask: UInt8) -> Int64:
    """Return how many selected events have both bits: int64, shape (64, 64), symmetric.

    The diagonal holds the counts of single bits.
    """
    counts = np.zeros((64, 64), np.int64)
    planes = olt_plane_rows(page) & mask
    for bit, plane in enumerate(planes):
        both = np.bitwise_count(planes[bit:] & plane).sum(axis=1, dtype=np.int64)
        counts[bit, bit : len(planes)] = both
        counts[bit : len(planes), bit] = both
    return counts


def count_files(page: PackedPage, mask: UInt8) -> Int64:
    """Return how many selected events each file of the page has: int64, shape (k,)."""
    at = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
    index = values_at(index_plane_rows(page), at).astype(np.intp)
    counts = np.bincount(index, minlength=len(page.fuids))
    if len(counts) > len(page.fuids):
        raise CorruptPageError(f"a file index of {len(counts) - 1} for {len(page.fuids)} files")
    return counts


def masked_olt(mask: UInt8, planes: npt.NDArray[np.uint8], selection: Selection) -> UInt8:
    """Return a mask without the events that the masks of `olt_result` rule out.

    `planes` are those of `olt_result`: the planes first, then the shape of the mask.
    """
    if selection.olt_all >> len(planes):
        return np.zeros_like(mask)
    wanted = planes[_bits(selection.olt_all, len(planes))]
    mask = mask & np.bitwise_and.reduce(wanted, axis=0, initial=0xFF)
    if selection.olt_any:
        mask &= np.bitwise_or.reduce(planes[_bits(selection.olt_any, len(planes))], axis=0)
    banned = np.bitwise_or.reduce(planes[_bits(selection.olt_none, len(planes))], axis=0)
    mask &= ~banned
    return mask


def _by_file(mask: UInt8, page: PackedPage, selection: Selection) -> UInt8:
    wanted = np.ones(len(page.fuids), bool)
    if selection.dsid is not None:
        wanted &= page.dsids == selection.dsid
    if selection.fuid is not None:
        wanted &= page.fuids == np.frombuffer(selection.fuid, FUID_DTYPE)[0]
    if wanted.all():
        return mask
    chosen = np.flatnonzero(wanted)
    planes = index_plane_rows(page)
    if len(chosen) > _FILES_BY_PLANES_MAX:
        at = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
        positions = np.zeros(len(mask) * 8, bool)
        positions[at] = wanted[values_at(planes, at).astype(np.intp)]
        return np.packbits(positions, bitorder="little")
    union = np.zeros_like(mask)
    for file in chosen.tolist():
        same = mask
        for bit, plane in enumerate(planes):
            same = same & (plane if file >> bit & 1 else ~plane)
        union |= same
    return union


def by_slot(page: PackedPage, page_no: int, selection: Selection) -> UInt8:
    """Return the mask of the positions of a page that the range of event numbers takes."""
    first = selection.event_first - (page_no << SLOT_BITS)
    last = selection.event_last - (page_no << SLOT_BITS)
    if page.slots is not None:
        slots = page.slots.astype(np.int64)
        return np.packbits((slots >= first) & (slots <= last), bitorder="little")
    inside = np.zeros(SLOTS_PER_PAGE, bool)
    inside[max(first, 0) : max(last + 1, 0)] = True
    return np.packbits(inside, bitorder="little")


def _bits(mask: int, planes: int) -> list[int]:
    return [bit for bit in range(planes) if mask >> bit & 1]
