"""The events of some runs into the database, inside one transaction.

Lock the runs, read the pages that the events fall into, merge in NumPy, write back what changed;
a statement for many runs, where there are many. Never decides what a page looks like or which
value wins; that is `page` and `merge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from event_store import catalogue
from event_store.conflicts import Conflicts, record_conflicts
from event_store.cosmic import Offer, store_records
from event_store.merge import Columns, FileTable, Merged, are_stored, merge, number_files
from event_store.model import EventColumns, Outcome, UInt8
from event_store.page import SLOT_BITS, PackedPage
from event_store.pagecopy import StoredPage
from event_store.pagestore import (
    PAGES_AT_ONCE_MAX,
    insert_pages,
    read_pages_of_runs,
    update_pages,
)
from event_store.plan import RunPart, distinct_pages, page_cuts


@dataclass(slots=True)
class _Run:
    """A run that the transaction holds: what it is offered, and what was new so far.

    `closed` says which events are of a dataset that takes no new ones; None: none is.
    """

    part: RunPart
    row: catalogue.LockedRun
    columns: Columns
    table: FileTable
    closed: npt.NDArray[np.bool_] | None
    inserted: list[Columns] = field(default_factory=list)
    counted: list[catalogue.FileCounts] = field(default_factory=list)


class _Piece(NamedTuple):
    """Events of a run that fall into few pages: `rows` of its columns."""

    run: _Run
    rows: slice
    page_nos: list[int]


class _Step(NamedTuple):
    """A piece that is merged; `positions` are the places of its offered events in the batch."""

    run: _Run
    offered: Columns
    positions: npt.NDArray[np.intp]
    stored: dict[int, PackedPage]
    merged: Merged


class Transaction:
    """Writes events on the cursor of a transaction that nothing was written in yet."""

    def __init__(
        self,
        cursor: Cursor,
        step: Callable[[], None],
        batch: EventColumns,
        closed: frozenset[int],
    ) -> None:
        """Write parts of a sorted batch.

        Args:
            cursor: of the transaction.
            step: called when something was done: the stall timeout begins anew.
            batch: the events.
            closed: the datasets that take no new events.
        """
        self._cursor = cursor
        self._step = step
        self._batch = batch
        self._closed = closed

    def write(self, parts: Sequence[RunPart]) -> UInt8:
        """Write the events of runs, one part each, ascending; the outcome of each event."""
        rows = catalogue.lock_runs(self._cursor, [part.run_number for part in parts])
        self._step()
        runs = [self._run(part, row) for part, row in zip(parts, rows, strict=True)]
        start = parts[0].first
        # Of events with a closed dataset only the stored ones get another outcome.
        outcome = np.full(parts[-1].last - start, Outcome.CLOSED_DATASET, np.uint8)
        for pieces in _groups(runs):
            for position, result in self._write_pieces(pieces):
                outcome[position - start] = result
            self._step()
        self._count([run for run in runs if run.inserted])
        return outcome

    def _run(self, part: RunPart, row: catalogue.LockedRun) -> _Run:
        batch, here = self._batch, slice(part.first, part.last)
        used, number = number_files(batch.file_index[here], len(batch.files))
        files = [batch.files[i] for i in used.tolist()]
        table = FileTable(files)
        columns = Columns(batch.events[here], table.number[number], batch.olt[here])
        closed = None
        if self._closed and not self._closed.isdisjoint(file.dsid for file in files):
            closed = np.array([file.dsid in self._closed for file in files], bool)[number]
        return _Run(part, row, columns, table, closed)

    def _write_pieces(
        self, pieces: Sequence[_Piece]
    ) -> Iterator[tuple[npt.NDArray[np.intp], UInt8]]:
        """Write pieces; positions in the batch, with the outcome of each."""
        stored = read_pages_of_runs(
            self._cursor, [(p.run.part.run_number, _known(p.run.row, p.page_nos)) for p in pieces]
        )
        steps = [_merged(piece, stored.get(piece.run.part.run_number, {})) for piece in pieces]
        self._write_pages(steps)
        self._settle(steps)
        for step in steps:
            if len(step.merged.inserted):
                step.run.inserted.append(step.merged.inserted)
            yield step.positions, step.merged.outcome

    def _write_pages(self, steps: Sequence[_Step]) -> None:
        """Write the pages, and count what is new in them by file."""
        changed: list[StoredPage] = []

        def fresh() -> Iterator[StoredPage]:
            for run, _, _, stored, merged in steps:
                number, generation = run.part.run_number, run.row.generation + 1
                for page_no, page in merged.pages:
                    row = StoredPage(number, page_no, generation, page)
                    if page_no in stored:
                        changed.append(row)
                    else:
                        yield row
                # Here, because the server is storing pages meanwhile.
                run.counted.append(catalogue.count_files(merged.inserted, len(run.table)))

        insert_pages(self._cursor, fresh())
        update_pages(self._cursor, changed)

    def _settle(self, steps: Sequence[_Step]) -> None:
        """Store the telescope records and the conflicts; the outcomes become final."""
        cosmic = self._batch.cosmic
        offers: list[Offer] = []
        if cosmic:
            offers = [
                Offer(position, step.run.part.run_number, event, cosmic[position])
                for step in steps
                for position, event in zip(
                    step.positions.tolist(), step.offered.events.tolist(), strict=True
                )
                if position in cosmic
            ]
        differing: dict[int, int] = {}
        if offers:
            differing = store_records(self._cursor, offers, self._step)
            detectors: dict[int, str] = {}
            for offer in offers:
                detectors.setdefault(offer.run_number, offer.record.detector_id)
            catalogue.set_detectors(self._cursor, detectors)
        found = [conflicts for step in steps if (conflicts := _conflicts(step, differing))]
        if found:
            record_conflicts(self._cursor, found, self._batch, self._step)

    def _count(self, runs: Sequence[_Run]) -> None:
        """Count what is new in the rows of the runs and of their files."""
        if not runs:
            return
        catalogue.add_to_files(
            self._cursor,
            [
                count
                for run in runs
                for count in catalogue.sum_files(run.part.run_number, run.counted, run.table)
            ],
        )
        catalogue.add_to_runs(
            self._cursor, [catalogue.count_run(run.part.run_number, run.inserted) for run in runs]
        )


def _groups(runs: Sequence[_Run]) -> Iterator[list[_Piece]]:
    """Cut runs into pieces, and take pieces together, of `PAGES_AT_ONCE_MAX` pages at most."""
    group: list[_Piece] = []
    pages = 0
    for run in runs:
        for rows in page_cuts(run.columns.events, PAGES_AT_ONCE_MAX):
            page_nos = distinct_pages(run.columns.events[rows])
            if group and pages + len(page_nos) > PAGES_AT_ONCE_MAX:
                yield group
                group, pages = [], 0
            group.append(_Piece(run, rows, page_nos))
            pages += len(page_nos)
    if group:
        yield group


def _known(row: catalogue.LockedRun, page_nos: list[int]) -> list[int]:
    """The pages that may be stored: outside of the run's known events there are none."""
    if row.has_emptied_pages:
        return page_nos
    if row.first_event is None or row.last_event is None:
        return []
    first, last = row.first_event >> SLOT_BITS, row.last_event >> SLOT_BITS
    return [page_no for page_no in page_nos if first <= page_no <= last]


def _merged(piece: _Piece, stored: dict[int, PackedPage]) -> _Step:
    run = piece.run
    offered, rows = run.columns.take(piece.rows), np.arange(piece.rows.start, piece.rows.stop)
    if run.closed is not None:
        taken = ~run.closed[piece.rows] | are_stored(stored, offered.events)
        offered, rows = offered.take(taken), rows[taken]
    merged = merge(offered, stored, run.table)
    return _Step(run, offered, run.part.first + rows, stored, merged)


def _conflicts(step: _Step, differing: dict[int, int]) -> Conflicts | None:
    """The conflicts of a piece, with those of records alone; None when there are none."""
    outcome = step.merged.outcome
    other_record: list[int] = []
    if differing:
        positions = enumerate(step.positions.tolist())
        other_record = [row for row, position in positions if position in differing]
        here = np.array(other_record, np.intp)
        outcome[here[outcome[here] == Outcome.DUPLICATE]] = Outcome.CONFLICT
    rows = sorted({*np.flatnonzero(outcome == Outcome.CONFLICT).tolist(), *other_record})
    if not rows:
        return None
    return Conflicts(
        step.run.part.run_number,
        step.offered,
        step.merged,
        step.run.table,
        step.positions,
        rows,
        differing,
    )
