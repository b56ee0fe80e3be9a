"""`olt_result` of pairs from the planes of their pages, without unpacking the others. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from event_store.arrays import starts
from event_store.model import Int32, Int64, UInt64
from event_store.pages.format import PackedPage, olt_plane_rows, values_at


def olt_results(pages: Mapping[int, PackedPage], rows: Int32, slots: Int64) -> UInt64:
    """Return `olt_result` of each (row, slot): uint64, shape (n,); 0 where there is no event.

    Args:
        pages: the pages of rows; what is not here has no event, or 0 in all.
        rows: int32, shape (n,).
        slots: int64, shape (n,).
    """
    results = np.zeros(len(rows), np.uint64)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    for first, last in itertools.pairwise([*starts(ordered).tolist(), len(rows)]):
        page = pages.get(int(ordered[first]))
        if page is not None:
            where = order[first:last]
            results[where] = _olt_at(page, slots[where])
    return results


def _olt_at(page: PackedPage, slots: Int64) -> UInt64:
    if page.slots is None:
        return values_at(olt_plane_rows(page), slots)
    at = np.searchsorted(page.slots, slots)
    at[at == page.n_events] = 0
    results = values_at(olt_plane_rows(page), at)
    results[page.slots[at] != slots] = 0
    return results
