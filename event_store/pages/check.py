"""What a page holds, counted event by event, and what is wrong with its form. Pure.

Believes nothing that a page says of itself.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from event_store.errors import CorruptPageError
from event_store.model import NUMBER_MAX
from event_store.pages.format import (
    DENSE_EVENTS_MIN,
    SLOT_BITS,
    SLOTS_PER_PAGE,
    PackedPage,
    UInt16,
    check_olt_planes,
    presence_bits,
    unpack,
)

_PLANE_BYTES = SLOTS_PER_PAGE // 8
# A RAW file as a page knows it: its id of 16 bytes and its dataset.
FileKey: TypeAlias = tuple[bytes, int]


class FileCount(NamedTuple):
    """Events of a RAW file: how many, the first and the last."""

    events: int
    first: int
    last: int

    def plus(self, other: FileCount) -> FileCount:
        """Return the sum of both."""
        return FileCount(
            self.events + other.events, min(self.first, other.first), max(self.last, other.last)
        )


class PageCount(NamedTuple):
    """The events of a page by RAW file (id of 16 bytes, dataset), and what is wrong, in words."""

    files: dict[FileKey, FileCount]
    problems: list[str]


def count_page(page_no: int, page: PackedPage) -> PageCount:
    """Count the events of a page."""
    problems = []
    if not 0 <= page_no <= NUMBER_MAX >> SLOT_BITS:
        problems.append("its number is out of range")
    try:
        slots = _slots(page)
        if len(slots) != page.n_events:
            problems.append(f"n_events is {page.n_events}, it holds {len(slots)} events")
        # Whatever it says, its planes are read for the events that it holds.
        files = _count_files(page_no, page, slots)
    except (CorruptPageError, ValueError, IndexError) as error:
        return PageCount({}, [*problems, f"it cannot be read: {error}"])
    return PageCount(files, problems + _form(page, slots, len(files)))


def is_empty(page: PackedPage) -> bool:
    """Return whether a page holds no event, and says so.

    Raises:
        CorruptPageError: it says so, and names files.
    """
    if not page.n_events and len(page.fuids):
        raise CorruptPageError(f"page has n_events=0 and {len(page.fuids)} files")
    return not page.n_events


def check_slots(slots: UInt16) -> None:
    """See that the slots of a sparse page ascend and exist: they are searched in.

    Raises:
        CorruptPageError: they do not.
    """
    if len(slots) and int(slots[-1]) >= SLOTS_PER_PAGE:
        raise CorruptPageError(f"page has slot {slots[-1]}; the last one is {SLOTS_PER_PAGE - 1}")
    if (slots[1:] <= slots[:-1]).any():
        raise CorruptPageError("the slots of a page do not ascend")


def check_scanned(page: PackedPage, *, with_files: bool) -> None:
    """See that a page says what its planes hold, before events of it are told or counted.

    Args:
        page: as a scan read it.
        with_files: whether its files were read too.

    Raises:
        CorruptPageError: it contradicts itself.
    """
    dense = page.slots is None
    width = _PLANE_BYTES if dense else (page.n_events + 7) // 8
    if page.slots is None:
        present = int.from_bytes(page.file_planes[:_PLANE_BYTES], "little")
        events = present.bit_count()
    else:
        check_slots(page.slots)
        events = len(page.slots)
        present = (1 << events) - 1
    if events != page.n_events:
        raise CorruptPageError(f"page has {events} slots for n_events={page.n_events}")
    if is_empty(page):
        raise CorruptPageError("page names files and holds no event")
    check_olt_planes(page.olt_planes, width)
    files = len(page.fuids)
    if files != len(page.dsids):
        raise CorruptPageError(f"page has {len(page.dsids)} dsids for {files} files")
    planes = (max(files, 1) - 1).bit_length() + dense
    if with_files and (not files or len(page.file_planes) != planes * width):
        raise CorruptPageError(f"file_planes has {len(page.file_planes)} bytes for {files} files")
    if with_files and _beyond(page.file_planes[dense * width :], width, files - 1) & present:
        raise CorruptPageError(f"page has a file index of {files} or more of {files} files")


def _beyond(planes: bytes, width: int, last: int) -> int:
    """Return at which positions the number in some planes is above `last`, a bit each."""
    above, equal = 0, (1 << 8 * width) - 1
    # All bits set: nothing can be above it.
    for bit in reversed(range(last.bit_length() if last & (last + 1) else 0)):
        plane = int.from_bytes(planes[bit * width : (bit + 1) * width], "little")
        if last >> bit & 1:
            equal &= plane
        else:
            above |= equal & plane
            equal &= ~plane
    return above


def _slots(page: PackedPage) -> UInt16:
    if page.slots is None:
        return np.flatnonzero(presence_bits(page)).astype(np.uint16)
    return page.slots


def _count_files(page_no: int, page: PackedPage, slots: UInt16) -> dict[FileKey, FileCount]:
    if len(page.fuids) != len(page.dsids):
        raise CorruptPageError(f"{len(page.fuids)} fuids for {len(page.dsids)} dsids")
    if not len(slots):
        return {}
    true = PackedPage(
        len(slots), page.slots, page.fuids, page.dsids, page.file_planes, page.olt_planes
    )
    index = unpack(true).file_index
    if int(index.max()) >= len(page.fuids):
        raise CorruptPageError(f"a file index of {int(index.max())} for {len(page.fuids)} files")
    counts = np.bincount(index, minlength=len(page.fuids))
    first = np.full(len(page.fuids), SLOTS_PER_PAGE, np.int64)
    last = np.full(len(page.fuids), -1, np.int64)
    np.minimum.at(first, index, slots)
    np.maximum.at(last, index, slots)
    base = page_no << SLOT_BITS
    found: dict[FileKey, FileCount] = {}
    for i in np.flatnonzero(counts).tolist():
        key = (page.fuids[i].tobytes(), int(page.dsids[i]))
        count = FileCount(int(counts[i]), base + int(first[i]), base + int(last[i]))
        found[key] = found[key].plus(count) if key in found else count
    return found


def _form(page: PackedPage, slots: UInt16, files: int) -> list[str]:
    """Return what readers rely on beyond the counts."""
    problems = []
    if page.slots is not None:
        steps = np.diff(page.slots.astype(np.int64))
        if (steps <= 0).any():
            problems.append("its slots do not ascend")
        if len(slots) and int(slots.max()) >= SLOTS_PER_PAGE:
            problems.append(f"it has slot {int(slots.max())}; the last one is {SLOTS_PER_PAGE - 1}")
    if (page.slots is None) != (len(slots) >= DENSE_EVENTS_MIN):
        problems.append(
            f"it is {'dense' if page.slots is None else 'sparse'} with {len(slots)} events"
        )
    if len(page.fuids) != files:
        problems.append(f"it names {len(page.fuids)} files, its events are in {files}")
    return problems
