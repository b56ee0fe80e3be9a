"""Pages of one collection beside the same pages of others: what is in both, what is not.

A restricted page holds the events that are asked for and nothing of the others, so that whoever
selects, counts or lists does not know of it. Nothing is unpacked but the planes of sparse pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import copy_out
from event_store.model import UInt8
from event_store.pages import copy as pagecopy
from event_store.pages.check import check_scanned
from event_store.pages.copy import ScannedPage
from event_store.pages.format import (
    SLOTS_PER_PAGE,
    PackedPage,
    index_plane_rows,
    olt_plane_rows,
    page_slots,
)
from event_store.select.selection import Selection

_PLANE_BYTES = SLOTS_PER_PAGE // 8
PageKey = tuple[int, int]


def restrict(
    cursor: Cursor,
    pages: Sequence[ScannedPage],
    selection: Selection,
    *,
    by_shard: bool = False,
) -> list[ScannedPage]:
    """Return pages with the events that other collections have, or have not, as a selection says.

    With `olt_from`, `olt_result` is that of the other collection, 0 where the event is not in it.
    Pages without an event are left out.
    """
    keys = [(page.run_number, page.page_no) for page in pages]
    masks = {key: slot_plane(page.page) for key, page in zip(keys, pages, strict=True)}
    for number in selection.also_in:
        planes = presence_of(cursor, keys, number, by_shard=by_shard)
        masks = {key: mask & planes[key] for key, mask in masks.items() if key in planes}
    for number in selection.not_in:
        there = presence_of(cursor, list(masks), number, by_shard=by_shard)
        for key, plane in there.items():
            masks[key] = masks[key] & ~plane
    kept = [
        ScannedPage(*key, _with_slots(page.page, masks[key]))
        for key, page in zip(keys, pages, strict=True)
        if key in masks and masks[key].any()
    ]
    if selection.olt_from is None:
        return kept
    others = _read(cursor, keys, selection.olt_from, with_olt=True, by_shard=by_shard)
    return [ScannedPage(run, no, _with_olt(page, others.get((run, no)))) for run, no, page in kept]


def presence_of(
    cursor: Cursor, keys: Sequence[PageKey], collection: int, *, by_shard: bool = False
) -> dict[PageKey, UInt8]:
    """Return the slots with an event of those of these pages that a collection has."""
    found = _read(cursor, keys, collection, with_olt=False, by_shard=by_shard)
    return {key: slot_plane(page) for key, page in found.items()}


def slot_plane(page: PackedPage) -> UInt8:
    """Return one bit for each slot, whether it holds an event: uint8, shape (1024,)."""
    if page.slots is None:
        return np.frombuffer(page.file_planes, np.uint8, _PLANE_BYTES)
    bits = np.zeros(SLOTS_PER_PAGE, bool)
    bits[page.slots] = True
    return np.packbits(bits, bitorder="little")


def _read(
    cursor: Cursor, keys: Sequence[PageKey], collection: int, *, with_olt: bool, by_shard: bool
) -> Mapping[PageKey, PackedPage]:
    if not keys:
        return {}
    sql = pagecopy.presence_sql(keys, collection, with_olt=with_olt, by_shard=by_shard)
    found = {}
    for run, page_no, page in pagecopy.decode_scanned(copy_out(cursor, sql)):
        check_scanned(page, with_files=False)
        found[run, page_no] = page
    return found


def _with_slots(page: PackedPage, mask: UInt8) -> PackedPage:
    """Return a page with the events alone whose slots are in a mask of all slots."""
    n_events = int(np.bitwise_count(mask).sum())
    if n_events == page.n_events:
        return page
    if page.slots is None:
        planes = page.file_planes[_PLANE_BYTES:]
        return replace(
            page,
            n_events=n_events,
            file_planes=mask.tobytes() + planes,
            olt_planes=(olt_plane_rows(page) & mask).tobytes(),
        )
    keep = np.unpackbits(mask, bitorder="little").view(bool)[page.slots]
    return replace(
        page,
        n_events=n_events,
        slots=page.slots[keep],
        file_planes=_taken(index_plane_rows(page), keep),
        olt_planes=_taken(olt_plane_rows(page), keep),
    )


def _taken(planes: UInt8, keep: npt.NDArray[np.bool_]) -> bytes:
    """Return the planes of the positions to keep."""
    if not len(planes):
        return b""
    bits = np.unpackbits(planes, axis=1, count=len(keep), bitorder="little")[:, keep]
    return np.packbits(bits, axis=1, bitorder="little").tobytes()


def _with_olt(page: PackedPage, other: PackedPage | None) -> PackedPage:
    """Return a page with the masks of `olt_result` that another page has for its events."""
    if other is None:
        return replace(page, olt_planes=b"")
    planes = olt_plane_rows(other)
    if not len(planes):
        return replace(page, olt_planes=b"")
    if other.slots is None:
        bits = np.unpackbits(planes, axis=1, bitorder="little")
    else:
        bits = np.zeros((len(planes), SLOTS_PER_PAGE), np.uint8)
        bits[:, other.slots] = np.unpackbits(
            planes, axis=1, count=other.n_events, bitorder="little"
        )
    if page.slots is None:
        # A slot that holds no event here has no mask.
        return replace(
            page,
            olt_planes=(np.packbits(bits, axis=1, bitorder="little") & slot_plane(page)).tobytes(),
        )
    own = bits[:, page_slots(page)]
    return replace(page, olt_planes=np.packbits(own, axis=1, bitorder="little").tobytes())
