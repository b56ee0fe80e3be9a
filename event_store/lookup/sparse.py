"""Sparse pages on their way into the cache, all of a row at once. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, ragged
from event_store.lookup.block import PageBlock
from event_store.lookup.cached_files import FILE_BYTES, file_keys
from event_store.model import Int32, Int64
from event_store.pages.blocks import DSID_BYTES, FUID_BYTES, SLOT_BYTES, Pages
from event_store.pages.format import DENSE_EVENTS_MIN, FUID_DTYPE, SLOT_BITS, SLOTS_PER_PAGE

# A page with more files takes more memory in the cache than a dense one. Few have so many.
_FILES_MAX = SLOTS_PER_PAGE // FILE_BYTES
_NO_PAGES = np.empty(0, np.intp)


def decode_sparse(pages: Pages) -> tuple[Places, PageBlock | None]:
    """Return the sparse pages that are as nearly all are, and a block of them.

    Those that contradict themselves are left to others, as are those with `olt_result`.
    """
    some = np.flatnonzero(_is_sparse(pages))
    if not len(some):
        return _NO_PAGES, None
    entries, wrong = _entries(pages, some)
    if wrong.any():
        some = some[~wrong]
        if not len(some):
            return _NO_PAGES, None
        entries, _ = _entries(pages, some)
    n_files = pages.n_files[some]
    files = file_keys(
        pages.fuids.elements(some, n_files, FUID_BYTES, FUID_DTYPE),
        pages.dsids.elements(some, n_files, DSID_BYTES, ">i4"),
    )
    return some, PageBlock(
        pages.runs[some],
        pages.pages[some],
        pages.generations[some],
        n_files,
        files,
        pages.n_events[some],
        entries,
        _NO_PAGES,
        _NO_PAGES,
        np.empty((0, SLOTS_PER_PAGE), np.uint8),
        [None] * len(some),
    )


def _is_sparse(pages: Pages) -> npt.NDArray[np.bool_]:
    sparse = (pages.n_slots == pages.n_events) & (pages.n_events > 0)
    sparse &= pages.n_events < DENSE_EVENTS_MIN
    sparse &= (pages.n_files > 0) & (pages.n_files <= _FILES_MAX)
    sparse &= (pages.n_dsids == pages.n_files) & (pages.olt_bytes == 0)
    expected = pages.index_planes * _plane_bytes(pages.n_events)
    found: npt.NDArray[np.bool_] = sparse & (pages.planes_bytes == expected)
    return found


def _plane_bytes(n_events: Int64) -> Int64:
    return (n_events + 7) >> 3


def _entries(pages: Pages, some: Places) -> tuple[Int32, npt.NDArray[np.bool_]]:
    """Return the events of pages in turn, as `PageBlock` has them, and which pages are wrong."""
    counts = pages.n_events[some]
    of = np.arange(len(some)).repeat(counts)
    position = ragged(np.zeros(len(some), np.int64), counts)
    slots = pages.slots.elements(some, counts, SLOT_BYTES, ">i2").astype(np.int32)
    index = _file_index(pages, some[of], position)
    wrong = (slots < 0) | (slots >= SLOTS_PER_PAGE) | (index >= pages.n_files[some[of]])
    wrong[1:] |= (slots[1:] <= slots[:-1]) & (position[1:] > 0)
    return slots << SLOT_BITS | index, np.bincount(of, wrong, len(some)) > 0


def _file_index(pages: Pages, of: Places, position: Int64) -> Int32:
    """Return the index into the files of a page of the events at these positions."""
    data = np.frombuffer(pages.planes.data, np.uint8)
    planes, width = pages.index_planes[of], _plane_bytes(pages.n_events[of])
    at, bits = pages.planes.starts[of] + (position >> 3), (position & 7).astype(np.uint8)
    index = np.zeros(len(of), np.int32)
    for bit in range(int(planes.max())):
        own = np.flatnonzero(planes > bit)
        found = data.take((at + bit * width).take(own)) >> bits.take(own) & 1
        index[own] |= found.astype(np.int32) << bit
    return index
