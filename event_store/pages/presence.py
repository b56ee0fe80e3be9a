"""Which slots of pages hold an event, of many pages at once: as PostgreSQL sends them, as planes.

All rows of dense pages are as long as one another, so that they are one structure and cost nothing
each. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.errors import CorruptPageError
from event_store.model import Int64, UInt64
from event_store.pages.copy import SIGNATURE, TRAILER, int2_values
from event_store.pages.format import SLOTS_PER_PAGE

PLANE_BYTES = SLOTS_PER_PAGE // 8
# What `scan_sql` selects for `decode_presence`, behind the run and the page.
PRESENCE_COLUMNS = (
    "p.n_events, p.slots, "
    f"CASE WHEN p.slots IS NULL THEN substring(p.file_planes, 1, {PLANE_BYTES}) END"
)
_HEAD = [
    *(("columns", ">i2"), ("run_size", ">i4"), ("run", ">i8"), ("page_size", ">i4")),
    *(("page", ">i8"), ("events_size", ">i4"), ("events", ">i4"), ("slots_size", ">i4")),
]
_ROW_HEAD = np.dtype(_HEAD)
_DENSE_ROW = np.dtype([*_HEAD, ("plane_size", ">i4"), ("plane", "u1", (PLANE_BYTES,))])
# The head of an array of one dimension, and the size of the plane that a sparse page has not.
_ARRAY_HEAD_BYTES, _SLOT_ITEM_BYTES, _NULL_BYTES = 20, 6, 4


class Presence(NamedTuple):
    """k pages, in the order of (run, page).

    Attributes:
        runs, pages: int64, shape (k,).
        n_events: int64, shape (k,); as many bits of its plane are set.
        planes: uint64, shape (k, 128): a bit for each slot that holds an event.
    """

    runs: Int64
    pages: Int64
    n_events: Int64
    planes: UInt64

    @property
    def last(self) -> tuple[int, int] | None:
        """Return the run and number of the last page; None when there is none."""
        return (int(self.runs[-1]), int(self.pages[-1])) if len(self.runs) else None

    def cut(self, reach: tuple[int, int] | None) -> tuple[Presence, Presence]:
        """Return the pages up to `reach` (None: all), and those behind it."""
        count = len(self.runs)
        if reach is not None and self.last is not None and self.last > reach:
            first = int(np.searchsorted(self.runs, reach[0]))
            end = int(np.searchsorted(self.runs, reach[0], "right"))
            count = first + int(np.searchsorted(self.pages[first:end], reach[1], "right"))
        return self._rows(slice(count)), self._rows(slice(count, None))

    def _rows(self, rows: slice) -> Presence:
        runs, pages, n_events, planes = self
        return Presence(runs[rows], pages[rows], n_events[rows], planes[rows])


def decode_presence(messages: Sequence[bytes]) -> Presence:
    """Decode rows of PRESENCE_COLUMNS behind run and page: PostgreSQL sends a row a message.

    Raises:
        CorruptPageError: a page has other slots than it says.
    """
    rows = [message.removeprefix(SIGNATURE) for message in messages]
    rows = [row for row in rows if row and row != TRAILER]
    dense = np.array([len(row) == _DENSE_ROW.itemsize for row in rows], bool)
    head = np.frombuffer(b"".join([row[: _ROW_HEAD.itemsize] for row in rows]), _ROW_HEAD)
    runs, pages, n_events = (head[name].astype(np.int64) for name in ("run", "page", "events"))
    planes = np.zeros((len(rows), PLANE_BYTES), np.uint8)
    if dense.any():
        of_dense = rows if dense.all() else [rows[at] for at in np.flatnonzero(dense).tolist()]
        planes[dense] = np.frombuffer(b"".join(of_dense), _DENSE_ROW)["plane"]
    sparse = np.flatnonzero(~dense)
    if len(sparse):
        if (head["slots_size"][sparse] < 0).any():
            raise CorruptPageError("a dense page has a presence plane of another length")
        _set_slots(planes, sparse, [rows[at] for at in sparse.tolist()])
    words = planes.view(np.uint64)
    found = count_bits(words)
    if (found != n_events).any():
        at = int((found != n_events).argmax())
        raise CorruptPageError(f"page has {found[at]} slots for n_events={n_events[at]}")
    return Presence(runs, pages, n_events, words)


def count_bits(planes: UInt64) -> Int64:
    """Return how many bits of each plane are set: int64, shape (k,)."""
    counts: Int64 = np.bitwise_count(planes).sum(axis=1, dtype=np.int64)
    return counts


def joined(one: Presence, other: Presence) -> tuple[Int64, UInt64]:
    """Return the runs and the AND of the planes of the pages that are in both."""
    if np.array_equal(one.pages, other.pages) and np.array_equal(one.runs, other.runs):
        return one.runs, one.planes & other.planes
    keys = np.stack(
        [np.concatenate([one.runs, other.runs]), np.concatenate([one.pages, other.pages])]
    )
    # Numbered in their order, as a pair of them does not fit an integer.
    runs, pages = (np.unique(numbers, return_inverse=True)[1] for numbers in keys)
    places = runs * keys.shape[1] + pages
    _, at_one, at_other = np.intersect1d(
        places[: len(one.runs)], places[len(one.runs) :], assume_unique=True, return_indices=True
    )
    return one.runs[at_one], one.planes[at_one] & other.planes[at_other]


def _set_slots(
    planes: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], rows: list[bytes]
) -> None:
    """Set the bits of sparse pages; a slot that is there twice sets fewer bits than events."""
    first = _ROW_HEAD.itemsize + _ARRAY_HEAD_BYTES
    items = [row[first:-_NULL_BYTES] for row in rows]
    sizes = np.array([len(item) for item in items])
    if (sizes % _SLOT_ITEM_BYTES).any():
        raise CorruptPageError("a page has slots without a number")
    slots = int2_values(b"".join(items)).astype(np.intp)
    if len(slots) and not 0 <= slots.min() <= slots.max() < SLOTS_PER_PAGE:
        raise CorruptPageError(f"a page has slots {slots.min()} to {slots.max()}")
    at = np.repeat(places, sizes // _SLOT_ITEM_BYTES) * PLANE_BYTES + (slots >> 3)
    np.add.at(planes.reshape(-1), at, (1 << (slots & 7)).astype(np.uint8))
