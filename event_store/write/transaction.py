"""The events of some runs into the database, inside one transaction.

Lock the runs, read the pages that the events fall into, merge in NumPy, write back what changed;
a statement and a merge for many runs, where there are many. Never decides what a page looks like
or which value wins; that is `format` and `merge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor

from event_store.arrays import number_values
from event_store.model import EventColumns, Int64, Outcome, UInt8
from event_store.pages.copy import StoredPage
from event_store.pages.cuts import page_starts_of_runs
from event_store.pages.format import SLOT_BITS, SLOT_MASK, PackedPage
from event_store.pages.merge import BatchFiles, Columns, Merged, are_stored, merge
from event_store.pages.store import (
    PAGES_AT_ONCE_MAX,
    insert_pages,
    insert_pages_of_shard,
    read_pages_of_runs,
    update_pages,
)
from event_store.telescope.records import Offer, store_records
from event_store.write import catalogue
from event_store.write.conflicts import Conflicts, record_conflicts
from event_store.write.new_counts import NewCounts
from event_store.write.plan import RunPart


@dataclass(frozen=True, slots=True)
class _Group:
    """Events in few pages, at `first` to `last` (exclusive) of the batch.

    To merge the events of several runs at once, the pages are numbered here: in the group of one
    run by their own numbers, else in order. An event's number follows that of its page.

    Attributes:
        runs, page_nos: of each page.
        numbers: of each page, ascending.
        events: the events by the numbers of the group.
    """

    first: int
    last: int
    runs: list[int]
    page_nos: list[int]
    numbers: list[int]
    events: Int64

    @property
    def of_one_run(self) -> bool:
        """Whether the numbers are the pages' own."""
        return self.runs[0] == self.runs[-1]


class Transaction:
    """Writes events on the cursor of a transaction that nothing was written in yet."""

    def __init__(
        self,
        cursor: Cursor,
        step: Callable[[], None],
        batch: EventColumns,
        refused: Mapping[int, Outcome],
        *,
        closed: bool = False,
        by_shard: bool = False,
    ) -> None:
        """Write parts of a sorted batch.

        Args:
            cursor: of the transaction.
            step: called when something was done: the stall timeout begins anew.
            batch: the events.
            refused: the datasets that take no new events, and why.
            closed: whether the collection takes none.
            by_shard: the tables lie on a cluster, and the parts are of one run.
        """
        self._cursor = cursor
        self._step = step
        self._batch = batch
        self._refused = refused
        self._closed = closed
        self._insert = insert_pages_of_shard if by_shard else insert_pages
        self._collection = batch.collection
        self._runs: dict[int, catalogue.LockedRun] = {}

    def write(self, parts: Sequence[RunPart]) -> UInt8:
        """Write the events of runs, one part each, ascending; the outcome of each event."""
        locked = catalogue.lock_runs(
            self._cursor, [part.run_number for part in parts], self._collection
        )
        self._runs = {row.run_number: row for row in locked}
        self._step()
        first, last = parts[0].first, parts[-1].last
        outcome = np.zeros(last - first, np.uint8)
        batch = self._batch
        used, number = number_values(batch.file_index[first:last], len(batch.files))
        table = BatchFiles([batch.files[i] for i in used.tolist()])
        files = table.number[number].astype(np.intp, copy=False)
        refused = self._refused_events(table, files)
        if refused is not None:
            # Of these only the ones that are stored get another outcome.
            outcome[:] = refused
        new = NewCounts(table)
        for group in _groups(batch, first, last):
            here = slice(group.first - first, group.last - first)
            offered = Columns(group.events, files[here], batch.olt[group.first : group.last])
            rows, outcomes = self._write_group(
                group, offered, None if refused is None else refused[here], table, new
            )
            outcome[here][rows] = outcomes
            self._step()
        self._count(new)
        return outcome

    def _refused_events(self, table: BatchFiles, files: npt.NDArray[np.intp]) -> UInt8 | None:
        """Return why each event is refused unless it is stored, INSERTED where not; else None."""
        dsids = table.arrays()[1].tolist() if self._refused or self._closed else []
        if not self._closed and self._refused.keys().isdisjoint(dsids):
            return None
        default = Outcome.CLOSED_COLLECTION if self._closed else Outcome.INSERTED
        return np.array([self._refused.get(dsid, default) for dsid in dsids], np.uint8)[files]

    def _write_group(
        self,
        group: _Group,
        offered: Columns,
        refused: UInt8 | None,
        table: BatchFiles,
        new: NewCounts,
    ) -> tuple[npt.NDArray[np.intp], UInt8]:
        """Write a group; rows of `offered` with the outcome of each, the others are refused."""
        stored = self._read_pages(group)
        rows = np.arange(len(offered))
        if refused is not None:
            known = are_stored(stored, offered.events) & (refused != Outcome.OTHER_COLLECTION)
            taken = (refused == Outcome.INSERTED) | known
            offered, rows = offered.take(taken), rows[taken]
        merged = merge(offered, stored, table)
        self._write_pages(group, merged, stored, new)
        self._settle(merged, group.first + rows, offered, table)
        return rows, merged.outcome

    def _read_pages(self, group: _Group) -> dict[int, PackedPage]:
        """Return the stored pages by their numbers in the group."""
        wanted: dict[int, list[int]] = {}
        for run, page_no in zip(group.runs, group.page_nos, strict=True):
            if _may_be_stored(self._runs[run], page_no):
                wanted.setdefault(run, []).append(page_no)
        found = (
            read_pages_of_runs(self._cursor, list(wanted.items()), self._collection)
            if wanted
            else {}
        )
        return {
            number: found[run][page_no]
            for number, run, page_no in zip(group.numbers, group.runs, group.page_nos, strict=True)
            if page_no in found.get(run, ())
        }

    def _write_pages(
        self, group: _Group, merged: Merged, stored: dict[int, PackedPage], new: NewCounts
    ) -> None:
        """Write the pages, and count what is new in them."""
        changed: list[StoredPage] = []
        keys = dict(zip(group.numbers, zip(group.runs, group.page_nos, strict=True), strict=True))

        def fresh() -> Iterator[StoredPage]:
            for number, page in merged.pages:
                run, page_no = keys[number]
                generation = self._runs[run].generation + 1
                row = StoredPage(run, page_no, generation, page, self._collection)
                if number in stored:
                    changed.append(row)
                else:
                    yield row
            # Here, because the server is storing pages meanwhile.
            new.add(*_real(group, merged.inserted.events), merged.inserted.files)

        self._insert(self._cursor, fresh())
        update_pages(self._cursor, changed)

    def _settle(
        self,
        merged: Merged,
        positions: npt.NDArray[np.intp],
        offered: Columns,
        table: BatchFiles,
    ) -> None:
        """Store the telescope records and the conflicts; the outcomes become final."""
        outcome, differing = merged.outcome, self._store_records(positions)
        other_record: list[int] = []
        if differing:
            other_record = [r for r, at in enumerate(positions.tolist()) if at in differing]
            here = np.array(other_record, np.intp)
            outcome[here[outcome[here] == Outcome.DUPLICATE]] = Outcome.CONFLICT
        rows = sorted({*np.flatnonzero(outcome == Outcome.CONFLICT).tolist(), *other_record})
        if rows:
            conflicts = Conflicts(offered, merged, table, positions, rows, differing)
            record_conflicts(self._cursor, conflicts, self._batch, self._step)

    def _store_records(self, positions: npt.NDArray[np.intp]) -> dict[int, int]:
        batch = self._batch
        if not batch.cosmic:
            return {}
        offers = [
            Offer(at, int(batch.runs[at]), int(batch.events[at]), batch.cosmic[at])
            for at in positions.tolist()
            if at in batch.cosmic
        ]
        if not offers:
            return {}
        differing = store_records(self._cursor, offers, self._step)
        detectors: dict[int, str] = {}
        for offer in offers:
            detectors.setdefault(offer.run_number, offer.record.detector_id)
        catalogue.set_detectors(self._cursor, detectors, self._collection, self._step)
        return differing

    def _count(self, new: NewCounts) -> None:
        """Count what is new in the rows of the runs and of their files."""
        runs = new.runs()
        if runs:
            catalogue.add_to_files(self._cursor, list(new.files()), self._collection, self._step)
            catalogue.add_to_runs(self._cursor, runs, self._collection)


def _groups(batch: EventColumns, first: int, last: int) -> Iterator[_Group]:
    """Cut events into groups of `PAGES_AT_ONCE_MAX` pages at most."""
    starts = page_starts_of_runs(batch.runs[first:last], batch.events[first:last]) + first
    for place in range(0, len(starts), PAGES_AT_ONCE_MAX):
        own = starts[place : place + PAGES_AT_ONCE_MAX]
        end = place + PAGES_AT_ONCE_MAX
        group_last = int(starts[end]) if end < len(starts) else last
        events = batch.events[own[0] : group_last]
        runs: list[int] = batch.runs[own].tolist()
        page_nos: list[int] = (batch.events[own] >> SLOT_BITS).tolist()
        numbers = page_nos
        if runs[0] != runs[-1]:
            numbers = list(range(len(own)))
            page = np.repeat(np.arange(len(own)), np.diff(own, append=group_last))
            events = (page << SLOT_BITS) | (events & SLOT_MASK)
        yield _Group(int(own[0]), group_last, runs, page_nos, numbers, events)


def _real(group: _Group, events: Int64) -> tuple[Int64, Int64]:
    """Return the runs and the event numbers of events that are numbered as in the group."""
    if group.of_one_run:
        return np.full(len(events), group.runs[0], np.int64), events
    page = events >> SLOT_BITS
    page_nos = np.array(group.page_nos, np.int64)[page]
    return np.array(group.runs, np.int64)[page], (page_nos << SLOT_BITS) | (events & SLOT_MASK)


def _may_be_stored(row: catalogue.LockedRun, page_no: int) -> bool:
    """Return whether a page may be there: outside of a run's known events there is none."""
    if row.has_emptied_pages:
        return True
    if row.first_event is None or row.last_event is None:
        return False
    return row.first_event >> SLOT_BITS <= page_no <= row.last_event >> SLOT_BITS
