"""Which parts of a batch are written in which transaction. Pure.

A transaction takes at most `RUNS_PER_TRANSACTION_MAX` runs and `PAGES_PER_TRANSACTION_MAX`
pages; a run with more pages is cut. Runs are taken in ascending order, so that writers cannot
deadlock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.model import EventColumns, Int64
from event_store.pages.format import SLOT_BITS

RUNS_PER_TRANSACTION_MAX = 256
PAGES_PER_TRANSACTION_MAX = 4096
_EVENTS_PER_PAGE_DENSE = 64


class RunPart(NamedTuple):
    """Positions `first` to `last` (exclusive) of the sorted batch: events of one run."""

    run_number: int
    first: int
    last: int
    pages: int


def in_order(batch: EventColumns) -> tuple[EventColumns, npt.NDArray[np.intp] | None]:
    """Return the batch in stable order by (run, event), and the place each row had (None: same)."""
    order = _sort_order(batch.runs, batch.events)
    if order is None:
        return batch, None
    cosmic = {}
    if batch.cosmic:
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        cosmic = {int(place[at]): record for at, record in batch.cosmic.items()}
    return (
        replace(
            batch,
            runs=batch.runs[order],
            events=batch.events[order],
            olt=batch.olt[order],
            file_index=batch.file_index[order],
            source_index=batch.source_index[order],
            cosmic=cosmic,
        ),
        order,
    )


def _sort_order(runs: Int64, events: Int64) -> npt.NDArray[np.intp] | None:
    if runs[0] == runs[-1] and (runs == runs[0]).all():
        in_order = bool((events[1:] >= events[:-1]).all())
        return None if in_order else np.argsort(events, kind="stable")
    same_run = runs[1:] == runs[:-1]
    if bool(((runs[1:] > runs[:-1]) | (same_run & (events[1:] >= events[:-1]))).all()):
        return None
    return np.lexsort((events, runs))


def starts(values: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return where runs of equal values begin: 0 and each place that differs from the last.

    `np.flatnonzero(np.diff(values, prepend=…))` says the same and takes ten times as long.
    """
    if not len(values):
        return np.empty(0, np.intp)
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    return np.concatenate([np.zeros(1, np.intp), cuts])


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


def page_starts(events: Int64) -> npt.NDArray[np.intp]:
    """Return where each page begins among ascending events."""
    if not len(events):
        return np.empty(0, np.intp)
    first, last = int(events[0]) >> SLOT_BITS, int(events[-1]) >> SLOT_BITS
    if last - first > len(events) // _EVENTS_PER_PAGE_DENSE:
        return starts(events >> SLOT_BITS)
    # Many events a page: finding the borders takes a few steps each, whatever lies between.
    borders = np.arange(first, last + 1, dtype=np.int64) << SLOT_BITS
    at = np.searchsorted(events, borders)
    there = np.empty(len(at), bool)
    there[-1] = True
    np.not_equal(at[1:], at[:-1], out=there[:-1])
    return at[there]


def page_starts_of_runs(runs: Int64, events: Int64) -> npt.NDArray[np.intp]:
    """Return where each page begins among the ascending events of ascending runs."""
    if not len(runs) or runs[0] == runs[-1]:
        return page_starts(events)
    pages = events >> SLOT_BITS
    cuts = np.flatnonzero((runs[1:] != runs[:-1]) | (pages[1:] != pages[:-1])) + 1
    return np.concatenate([np.zeros(1, np.intp), cuts])


def _run_parts(runs: Int64, events: Int64) -> Iterator[RunPart]:
    at = page_starts_of_runs(runs, events)
    # The pages of a run begin at these places of `at`.
    heads = starts(runs[at]).tolist()
    numbers = runs[at[heads]].tolist()
    ends = [*at.tolist(), len(runs)]
    for number, (head, next_head) in zip(
        numbers, itertools.pairwise([*heads, len(at)]), strict=True
    ):
        for page in range(head, next_head, PAGES_PER_TRANSACTION_MAX):
            end = min(page + PAGES_PER_TRANSACTION_MAX, next_head)
            yield RunPart(number, ends[page], ends[end], end - page)
