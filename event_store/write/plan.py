"""Which parts of a batch are written in which transaction. Pure.

A transaction takes at most `RUNS_PER_TRANSACTION_MAX` runs and `PAGES_PER_TRANSACTION_MAX`
pages; a run with more pages is cut. Runs are taken in ascending order, so that writers cannot
deadlock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.arrays import starts
from event_store.model import EventColumns, Int64
from event_store.pages.cuts import page_starts_of_runs

RUNS_PER_TRANSACTION_MAX = 256
PAGES_PER_TRANSACTION_MAX = 4096


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


def transactions(
    runs: Int64, events: Int64, runs_max: int = RUNS_PER_TRANSACTION_MAX
) -> Iterator[list[RunPart]]:
    """Cut a sorted batch into transactions of at most so many runs."""
    parts: list[RunPart] = []
    pages = 0
    for part in _run_parts(runs, events):
        if parts and (len(parts) == runs_max or pages + part.pages > PAGES_PER_TRANSACTION_MAX):
            yield parts
            parts, pages = [], 0
        parts.append(part)
        pages += part.pages
    if parts:
        yield parts


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
