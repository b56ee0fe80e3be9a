"""Runs whose pages all lie unpacked in the cache: their pairs need no search of pages. Pure.

A view holds where each page of a run begins, for as long as nothing in the cache changed: then a
warm batch of one run is two gathers, whatever the number of its pages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from event_store.model import Int32, Int64
from event_store.pages.format import SLOT_BITS

PAGES_MAX = 1 << 12


class RunView(NamedTuple):
    """Pages `first`, `first + 1`, … of a run.

    Attributes:
        stamp: the generation of the run at which all of them are known.
        rows: their rows in the cache.
        cell: int64, where the byte of event number 0 of each page would lie.
        files: int64, where the numbers of each page's files begin.
        sparse: places of sparse pages, which have no bytes and are searched.
    """

    stamp: int
    first: int
    rows: Int32
    cell: Int64
    files: Int64
    sparse: list[int]


class RunViews:
    """Views by run, or by (run, first page) of a collection; None where a run cannot have one."""

    def __init__(self, pages_max: int) -> None:
        self._pages_max = pages_max
        self.clear()

    def clear(self) -> None:
        """Forget all: something in the cache changed."""
        self._pages = 0
        self._views: dict[tuple[int, int], RunView | None] = {}

    def get(self, key: tuple[int, int], stamp: int) -> RunView | None:
        """Return the view of a run at a generation, if there is one."""
        view = self._views.get(key)
        return view if view is not None and view.stamp == stamp else None

    def may_add(self, key: tuple[int, int], stamp: int) -> bool:
        """Return whether to make a view of this run, or its last one is of another generation."""
        view = self._views.get(key)
        return key not in self._views or (view is not None and view.stamp != stamp)

    def add(self, key: tuple[int, int], view: RunView | None) -> None:
        """Hold a view."""
        pages = 1 if view is None else len(view.rows)
        if self._pages + pages > self._pages_max:
            self.clear()
        self._pages += pages
        self._views[key] = view


def places(view: RunView, events: Int64) -> tuple[Int64, Int64, Int64] | None:
    """Return of each event number its page, where its slot lies and its page's files begin.

    None where some lie outside of the view.
    """
    pages = (events >> SLOT_BITS) - view.first
    # One comparison for both ends: what is below zero is large without its sign.
    if pages.view(np.uint64).max() >= len(view.rows):
        return None
    cells = view.cell.take(pages)
    cells += events
    return pages, cells, view.files.take(pages)
