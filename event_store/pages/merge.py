"""Merging a batch into the pages of one run: the first stored value of an event stays.

Pure: arrays in, arrays out. Events are handled as columns over all touched pages at once, so
there is no Python loop over events; the loops here go over pages.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, number_values
from event_store.model import Int32, Int64, Outcome, RawFile, UInt8, UInt64
from event_store.pages.cuts import page_starts
from event_store.pages.format import (
    FUID_DTYPE,
    SLOT_BITS,
    SLOT_MASK,
    Fuids,
    PackedPage,
    PageEvents,
    pack,
    pack_lone,
    page_slots,
    unpack,
)

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one run in ascending event number; `files` numbers the rows of a file table.

    `files` is intp, NumPy's index type: it is an index many times over.
    """

    events: Int64
    files: Places
    olt: UInt64

    def __len__(self) -> int:
        return len(self.events)

    def take(self, where: npt.NDArray[np.bool_] | slice) -> Columns:
        """Return the same columns at some positions."""
        return Columns(self.events[where], self.files[where], self.olt[where])


class BatchFiles:
    """Numbers the distinct RAW files of a batch and of the pages it meets."""

    def __init__(self, files: Sequence[RawFile]) -> None:
        self._keys: dict[tuple[bytes, int], int] = {}
        self.number: Places = np.array(
            [self._add(file.fuid.bytes, file.dsid) for file in files], np.intp
        )

    def _add(self, fuid: bytes, dsid: int) -> int:
        return self._keys.setdefault((fuid, dsid), len(self._keys))

    def add_page(self, page: PageEvents) -> Places:
        """Return the number of each file of a page, intp, shape (k,)."""
        pairs = zip(page.fuids.tolist(), page.dsids.tolist(), strict=True)
        return np.array([self._add(fuid, dsid) for fuid, dsid in pairs], np.intp)

    def arrays(self) -> tuple[Fuids, Int32]:
        """Return the ids (V16) and datasets (int32) by number."""
        fuids = np.frombuffer(b"".join(fuid for fuid, _ in self._keys), FUID_DTYPE)
        return fuids, np.array([dsid for _, dsid in self._keys], np.int32)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge decided.

    Attributes:
        outcome: uint8, an `Outcome` for each offered event.
        kept_files, kept_olt: the value that the index holds for each offered event.
        inserted: the new events.
        pages: the pages that changed by page number, each packed when it is taken; once.
    """

    outcome: UInt8
    kept_files: Places
    kept_olt: UInt64
    inserted: Columns
    pages: Iterator[tuple[int, PackedPage]]


def merge(offered: Columns, stored_pages: Mapping[int, PackedPage], table: BatchFiles) -> Merged:
    """Merge offered events into the stored pages of their run.

    Args:
        offered: ascending by event number; of a repeat the first position wins.
        stored_pages: every stored page that an offered event falls into, by page number.
        table: numbers the files of `offered`; the files of the pages are added.
    """
    stored = _concatenate(stored_pages, table)
    head = np.empty(len(offered), bool)
    head[:1] = True
    np.not_equal(offered.events[1:], offered.events[:-1], out=head[1:])
    one_each = bool(head.all())
    heads = offered if one_each else offered.take(head)
    known, at = _find(stored, heads)
    if one_each and not known.any():
        pages = _changed_pages(heads, stored, table)
        return Merged(np.zeros(len(offered), np.uint8), heads.files, heads.olt, heads, pages)

    kept_files, kept_olt = heads.files.copy(), heads.olt.copy()
    kept_files[known], kept_olt[known] = stored.files[at], stored.olt[at]
    inserted, new_head = heads.take(~known), ~known
    if not one_each:
        owner = np.cumsum(head) - 1
        kept_files, kept_olt = kept_files[owner], kept_olt[owner]
        new_head = head & new_head[owner]
    same = (offered.files == kept_files) & (offered.olt == kept_olt)
    outcome = np.where(
        new_head, Outcome.INSERTED, np.where(same, Outcome.DUPLICATE, Outcome.CONFLICT)
    ).astype(np.uint8)
    pages = _changed_pages(inserted, stored, table)
    return Merged(outcome, kept_files, kept_olt, inserted, pages)


def are_stored(stored_pages: Mapping[int, PackedPage], events: Int64) -> npt.NDArray[np.bool_]:
    """Return which ascending events of a run lie in its stored pages: bool, shape (n,)."""
    numbers = [
        (page_no << SLOT_BITS) + page_slots(stored_pages[page_no]).astype(np.int64)
        for page_no in sorted(stored_pages)
    ]
    return np.isin(events, np.concatenate(numbers)) if numbers else np.zeros(len(events), bool)


def _find(stored: Columns, heads: Columns) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Return which heads are stored, bool of shape (n,), and a place for each that is."""
    known = np.zeros(len(heads), bool)
    if not len(stored):
        return known, np.empty(0, np.intp)
    # Ingest goes forward: most heads lie behind everything stored and need no search.
    last = int(np.searchsorted(heads.events, stored.events[-1], side="right"))
    at = np.searchsorted(stored.events, heads.events[:last])
    known[:last] = stored.events[at] == heads.events[:last]
    return known, at[known[:last]]


def _concatenate(pages: Mapping[int, PackedPage], table: BatchFiles) -> Columns:
    columns = []
    for page_no in sorted(pages):
        page = unpack(pages[page_no])
        events = (page_no << SLOT_BITS) + page.slots.astype(np.int64)
        columns.append(Columns(events, table.add_page(page)[page.file_index], page.olt))
    if not columns:
        return Columns(np.empty(0, np.int64), np.empty(0, np.intp), np.empty(0, np.uint64))
    return Columns(
        np.concatenate([c.events for c in columns]),
        np.concatenate([c.files for c in columns]),
        np.concatenate([c.olt for c in columns]),
    )


def _interleave(stored: Columns, new: Columns) -> Columns:
    """Return both columns as one, ascending; they have no event in common."""
    to = np.searchsorted(stored.events, new.events) + np.arange(len(new))
    from_stored = np.ones(len(stored) + len(new), bool)
    from_stored[to] = False

    def both(old: npt.NDArray[T], added: npt.NDArray[T]) -> npt.NDArray[T]:
        column = np.empty(len(from_stored), old.dtype)
        column[from_stored] = old
        column[to] = added
        return column

    return Columns(
        both(stored.events, new.events),
        both(stored.files, new.files),
        both(stored.olt, new.olt),
    )


def _changed_pages(
    inserted: Columns, stored: Columns, table: BatchFiles
) -> Iterator[tuple[int, PackedPage]]:
    fuids, dsids = table.arrays()
    cuts = page_starts(inserted.events)
    changed = inserted.events[cuts] >> SLOT_BITS
    firsts = np.searchsorted(stored.events, changed << SLOT_BITS).tolist()
    lasts = np.searchsorted(stored.events, (changed << SLOT_BITS) | SLOT_MASK, side="right")
    bounds = itertools.pairwise([*cuts.tolist(), len(inserted)])
    lone = _lone_pages(inserted, fuids, dsids) if 2 * len(cuts) > len(inserted) else None
    for page_no, (first, last), old_first, old_last in zip(
        changed.tolist(), bounds, firsts, lasts.tolist(), strict=True
    ):
        if lone is not None and last - first == 1 and old_first == old_last:
            yield page_no, lone(first)
            continue
        events = inserted.take(slice(first, last))
        if old_first < old_last:
            events = _interleave(stored.take(slice(old_first, old_last)), events)
        used, index = number_values(events.files, len(table))
        slots = (events.events & SLOT_MASK).astype(np.uint16)
        page = PageEvents(slots, index.astype(np.uint16), events.olt, fuids[used], dsids[used])
        yield page_no, pack(page)


def _lone_pages(inserted: Columns, fuids: Fuids, dsids: Int32) -> Callable[[int], PackedPage]:
    """Make pages of one event each, by its place: what takes time is done for all at once."""
    slots = (inserted.events & SLOT_MASK).astype(np.uint16)
    own_fuids, own_dsids = fuids[inserted.files], dsids[inserted.files]
    olt: list[int] = inserted.olt.tolist()

    def page(at: int) -> PackedPage:
        here = slice(at, at + 1)
        return pack_lone(slots[here], olt[at], own_fuids[here], own_dsids[here])

    return page
