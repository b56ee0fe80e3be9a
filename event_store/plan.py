"""Which parts of a batch are written in which transaction. Pure.

A transaction takes at most `RUNS_PER_TRANSACTION_MAX` runs and `PAGES_PER_TRANSACTION_MAX`
pages; a run with more pages is cut. Runs are taken in ascending order, so that writers cannot
deadlock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.model import Int64
from event_store.page import SLOT_BITS

RUNS_PER_TRANSACTION_MAX = 256
PAGES_PER_TRANSACTION_MAX = 4096


class RunPart(NamedTuple):
    """Positions `first` to `last` (exclusive) of the sorted batch: events of one run."""

    run_number: int
    first: int
    last: int
    pages: int


def sort_order(runs: Int64, events: Int64) -> npt.NDArray[np.intp] | None:
    """The stable order by (run, event), or None where the columns are in order already."""
    step_runs, step_events = runs[1:] - runs[:-1], events[1:] >= events[:-1]
    if bool(((step_runs > 0) | ((step_runs == 0) & step_events)).all()):
        return None
    if runs[0] == runs[-1] and not step_runs.any():
        return np.argsort(events, kind="stable")
    return np.lexsort((events, runs))


def transactions(runs: Int64, events: Int64) -> Iterator[list[RunPart]]:
    """Cut a sorted batch into transactions."""
    parts: list[RunPart] = []
    pages = 0
    for part in _run_parts(runs, events):
        if parts and (
            len(parts) == RUNS_PER_TRANSACTION_MAX or pages + part.pages > PAGES_PER_TRANSACTION_MAX
        ):
            yield parts
            parts, pages = [], 0
        parts.append(part)
        pages += part.pages
    if parts:
        yield parts


def page_cuts(events: Int64, pages_max: int) -> Iterator[slice]:
    """Cut the ascending events of a run so that each piece touches at most `pages_max` pages."""
    pages = events >> SLOT_BITS
    starts = np.flatnonzero(np.diff(pages, prepend=-1))
    cuts = [*starts[::pages_max].tolist(), len(events)]
    for first, last in itertools.pairwise(cuts):
        yield slice(first, last)


def distinct_pages(events: Int64) -> list[int]:
    """The page numbers of ascending events, ascending."""
    pages = events >> SLOT_BITS
    found: list[int] = pages[np.flatnonzero(np.diff(pages, prepend=-1))].tolist()
    return found


def _run_parts(runs: Int64, events: Int64) -> Iterator[RunPart]:
    starts = np.flatnonzero(np.diff(runs, prepend=-1)).tolist()
    for first, last in zip(starts, [*starts[1:], len(runs)], strict=True):
        own = events[first:last]
        for piece in page_cuts(own, PAGES_PER_TRANSACTION_MAX):
            pages = len(distinct_pages(own[piece]))
            yield RunPart(int(runs[first]), first + piece.start, first + piece.stop, pages)
