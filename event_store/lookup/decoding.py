"""Pages as PostgreSQL sends them, some hundred a row, made blocks for the cache. Pure.

Dense pages of up to 255 files, nearly all there are, keep their planes: array operations, and no
step for each page, as for `sparse` ones. Other pages are unpacked one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, starts
from event_store.lookup.block import NO_ENTRIES, PageBlock
from event_store.lookup.cached_files import file_keys
from event_store.lookup.packed import (
    PACKED_BYTES,
    PACKED_FILES_MAX,
    PLACES_A_CELL,
    PLANE_BYTES,
    PLANES_A_CELL,
    packed_planes,
)
from event_store.lookup.sparse import decode_sparse
from event_store.model import Int64, UInt8, UInt64
from event_store.pages.blocks import (
    DSID_BYTES,
    FUID_BYTES,
    SLOT_BYTES,
    Pages,
    Values,
    decode_rows,
)
from event_store.pages.copy import FetchedPage
from event_store.pages.format import (
    FUID_DTYPE,
    NO_DSIDS,
    NO_FUIDS,
    OLT_PLANES_MAX,
    PackedPage,
)

# Their planes stay in a core's cache, and the allocator keeps the memory of what is made of them.
_PAGES_AT_ONCE = 32


class Arrived(NamedTuple):
    """Some pages: blocks, others, and the (run, page, generation) of those without content."""

    blocks: list[PageBlock]
    others: list[FetchedPage]
    unchanged: Int64


def decode_pages(messages: Sequence[bytes]) -> Arrived:
    """Decode rows of what `blocks.read_sql` reads, as PostgreSQL sent them.

    Raises:
        CorruptPageError: a page contradicts itself.
    """
    pages = decode_rows(messages)
    unchanged = pages.n_files < 0
    plain = np.flatnonzero(_is_plain(pages))
    plain = plain[np.argsort(pages.n_files[plain], kind="stable")]
    cells, wrong = _cells(pages, plain)
    # What is wrong with a page is said where each is looked at by itself.
    plain = plain[~wrong]
    sparse, sparse_block = decode_sparse(pages)
    other = ~unchanged
    other[plain] = other[sparse] = False
    blocks = [_plain(pages, plain, cells)] if len(plain) else []
    return Arrived(
        [*blocks, sparse_block] if sparse_block else blocks,
        [_fetched(pages, place) for place in np.flatnonzero(other).tolist()],
        np.stack([pages.runs, pages.pages, pages.generations], 1)[unchanged],
    )


def _is_plain(pages: Pages) -> npt.NDArray[np.bool_]:
    """Return which pages have the form of nearly all: a dense one of up to 255 files."""
    plain = (pages.n_slots < 0) & (pages.n_events > 0)
    plain &= (pages.n_files > 0) & (pages.n_files <= PACKED_FILES_MAX)
    plain &= pages.n_dsids == pages.n_files
    plain &= pages.planes_bytes == (1 + pages.index_planes) * PLANE_BYTES
    plain &= pages.olt_bytes % PLANE_BYTES == 0
    plain &= pages.olt_bytes <= OLT_PLANES_MAX * PLANE_BYTES
    return plain


def _cells(pages: Pages, plain: Places) -> tuple[list[UInt8], npt.NDArray[np.bool_]]:
    """Return the cells of pages, as `PageBlock` has them, and which pages contradict themselves.

    Pages with equally many planes are next to each other; those that are wrong are left out.
    """
    low, high, wrong = [], [], np.zeros(len(plain), bool)
    for first, end in _alike(pages.planes_bytes[plain]):
        some = plain[first:end]
        stored = _stored(pages.planes, some, int(pages.planes_bytes[some[0]]) // PLANE_BYTES)
        n_files = pages.n_files[some]
        planes, bad = packed_planes(stored, n_files)
        presence = np.ascontiguousarray(stored[:, 0])
        bad |= np.bitwise_count(presence).sum(axis=1, dtype=np.int64) != pages.n_events[some]
        if bad.any():
            wrong[first:end], planes, n_files = bad, planes[~bad], n_files[~bad]
        cells = planes.shape[1] // PLANES_A_CELL
        own = planes.view(np.uint8).reshape(len(planes), cells, PACKED_BYTES)
        low.append(own[:, 0])
        if cells > 1:
            high.append(own[n_files >= PLACES_A_CELL, 1])
    return low + high, wrong


def _alike(sizes: Int64) -> Iterator[tuple[int, int]]:
    """Yield stretches of equal sizes, which are ascending: first and end."""
    for begin, end in itertools.pairwise([*starts(sizes).tolist(), len(sizes)]):
        kept = sizes[begin] <= PLANES_A_CELL * PLANE_BYTES
        step = end - begin if kept else _PAGES_AT_ONCE
        for first in range(begin, end, step):
            yield first, min(first + step, end)


def _stored(planes: Values, pages: Places, count: int) -> UInt64:
    """Return so many planes of some pages: uint64, shape (n, count, 128)."""
    at, size = planes.starts[pages], count * PLANE_BYTES
    if at[-1] - at[0] == (len(at) - 1) * size:
        found = np.frombuffer(planes.data, np.uint64, len(at) * size // 8, int(at[0]))
    else:
        found = np.concatenate(
            [np.frombuffer(planes.data, np.uint64, size // 8, first) for first in at.tolist()]
        )
    return found.reshape(len(at), count, PLANE_BYTES // 8)


def _plain(pages: Pages, plain: Places, cells: Sequence[UInt8]) -> PageBlock:
    n_files = pages.n_files[plain]
    return PageBlock(
        pages.runs[plain],
        pages.pages[plain],
        pages.generations[plain],
        n_files,
        file_keys(
            pages.fuids.elements(plain, n_files, FUID_BYTES, FUID_DTYPE),
            pages.dsids.elements(plain, n_files, DSID_BYTES, ">i4"),
        ),
        np.zeros(len(plain), np.int64),
        NO_ENTRIES,
        np.arange(len(plain)),
        np.flatnonzero(n_files >= PLACES_A_CELL),
        np.concatenate(cells) if len(cells) > 1 else cells[0],
        _olt_pages(pages, plain),
    )


def _olt_pages(pages: Pages, plain: Places) -> list[PackedPage | None]:
    if not len(pages.olt.data):
        return [None] * len(plain)
    return [
        PackedPage(events, None, NO_FUIDS, NO_DSIDS, b"", planes) if planes else None
        for events, planes in zip(pages.n_events[plain].tolist(), _olt(pages, plain), strict=True)
    ]


def _olt(pages: Pages, some: Places) -> Iterator[bytes]:
    places = zip(pages.olt.starts[some].tolist(), pages.olt_bytes[some].tolist(), strict=True)
    return (bytes(pages.olt.data[at : at + size]) for at, size in places)


def _fetched(pages: Pages, place: int) -> FetchedPage:
    """Return a page by itself."""
    some = np.array([place])

    def elements(arrays: Values, counts: Int64, element_bytes: int, form: Any) -> npt.NDArray[Any]:
        own = np.maximum(counts[some], 0)
        return arrays.elements(some, own, element_bytes, form)

    slots = elements(pages.slots, pages.n_slots, SLOT_BYTES, ">i2").astype(np.uint16)
    at, size = int(pages.planes.starts[place]), int(pages.planes_bytes[place])
    page = PackedPage(
        int(pages.n_events[place]),
        None if pages.n_slots[place] < 0 else slots,
        elements(pages.fuids, pages.n_files, FUID_BYTES, FUID_DTYPE),
        elements(pages.dsids, pages.n_dsids, DSID_BYTES, ">i4").astype(np.int32),
        bytes(pages.planes.data[at : at + size]),
        next(_olt(pages, some)),
    )
    return FetchedPage(
        int(pages.runs[place]), int(pages.pages[place]), int(pages.generations[place]), page
    )
