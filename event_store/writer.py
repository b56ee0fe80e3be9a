"""Batches into the database.

One transaction a group of runs: lock each run, read the pages that its events fall into, merge in
NumPy, write back what changed. Never decides what a page looks like or which value wins; that is
`page` and `merge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from event_store import catalogue, startup
from event_store.conflicts import Conflicts, record_conflicts
from event_store.cosmic import store_records
from event_store.database import Connection, StoreOptions
from event_store.errors import StoreUnavailableError
from event_store.letters import without_known
from event_store.merge import Columns, FileTable, Merged, are_stored, merge, number_files
from event_store.model import CosmicRecord, DeadLetter, EventColumns, Outcome, UInt8
from event_store.page import SLOT_BITS, PackedPage
from event_store.pagestore import PAGES_AT_ONCE_MAX, insert_pages, read_pages, update_pages
from event_store.plan import RunPart, distinct_pages, in_order, page_cuts, transactions

_NAMES_REMEMBERED_MAX = 100_000


class Store:
    """The writing side of the index. For one thread at a time; connects when first used."""

    def __init__(self, database_url: str, options: StoreOptions | None = None) -> None:
        self._connection = Connection(
            database_url,
            options or StoreOptions(),
            autocommit=False,
            name="eventindex ingest_service",
        )
        self._server = ""
        self._known_datasets: set[int] = set()
        self._cosmic_datasets: dict[str, int] = {}

    def write(self, batch: EventColumns, on_commit: Callable[[], None] = lambda: None) -> UInt8:
        """Store a batch of n events; committed when this returns.

        Of a repeat within the batch the first position wins. `on_commit` is called after each of
        the batch's transactions: a batch of very many runs takes minutes.

        Returns:
            An `Outcome` for each position: uint8, shape (n,).

        Raises:
            StoreUnavailableError: nothing or a part of the batch is stored; offer it again.
            StoreError: the database refuses a value of the batch.
        """
        outcome = np.empty(len(batch), np.uint8)
        if len(batch) == 0:
            return outcome
        used = np.flatnonzero(np.bincount(batch.file_index, minlength=len(batch.files)))
        dsids = sorted({batch.files[i].dsid for i in used.tolist()})
        self._register_datasets(dsids)
        batch, order = in_order(batch)
        for parts in transactions(batch.runs, batch.events):
            with self._cursor() as cursor:
                closed = catalogue.closed_datasets(cursor, dsids)
                for part in parts:
                    writer = _RunWriter(cursor, self._connection, batch, part, closed)
                    outcome[part.first : part.last] = writer.write()
            on_commit()
        if order is not None:
            outcome[order] = outcome.copy()
        return outcome

    def cosmic_datasets(self, names: Sequence[str]) -> dict[str, int]:
        """The number of at least these telescope datasets; new ones get the first free from 2³⁰ up.

        Raises:
            StoreUnavailableError: try again.
        """
        new = [name for name in names if name not in self._cosmic_datasets]
        if not new:
            return self._cosmic_datasets
        if len(self._cosmic_datasets) + len(new) > _NAMES_REMEMBERED_MAX:
            self._cosmic_datasets.clear()
            new = list(names)
        with self._cursor() as cursor:
            numbers = catalogue.number_cosmic_datasets(cursor, new)
        self._cosmic_datasets.update(numbers)
        self._known_datasets.update(numbers.values())
        return self._cosmic_datasets

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store refused messages; committed when this returns.

        Raises:
            StoreUnavailableError: try again.
        """
        with self._connection.cursor() as cursor:
            catalogue.insert_dead_letters(cursor, letters)

    def new_letters(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Leave out letters that are kept once and are there already.

        Raises:
            StoreUnavailableError: try again.
        """
        with self._connection.cursor() as cursor:
            return without_known(cursor, letters)

    def check(self) -> list[str]:
        """Ask whether the database can be used; see `startup.check`."""
        return startup.check(self._connection, startup.WRITER_RIGHTS)

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            StoreUnavailableError: there is none.
        """
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _register_datasets(self, dsids: Sequence[int]) -> None:
        """Register new datasets in a transaction of their own.

        Writers of runs then touch rows of their runs only and cannot deadlock.
        """
        new = set(dsids) - self._known_datasets
        if new:
            with self._cursor() as cursor:
                catalogue.register_datasets(cursor, sorted(new))
            self._known_datasets |= new

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """A cursor on the server that the remembered datasets are from.

        Raises:
            StoreUnavailableError: it is another one, after a failover or restore; they are
                forgotten, and the batch may be offered again.
        """
        with self._connection.cursor() as cursor:
            if self._connection.server != self._server:
                known, self._server = self._server, self._connection.server
                self._known_datasets.clear()
                self._cosmic_datasets.clear()
                if known:
                    raise StoreUnavailableError("the database server has changed")
            yield cursor


class _RunWriter:
    """Writes the events of one run inside a transaction."""

    def __init__(
        self,
        cursor: Cursor,
        connection: Connection,
        batch: EventColumns,
        part: RunPart,
        closed: frozenset[int],
    ) -> None:
        self._cursor = cursor
        self._connection = connection
        self._batch = batch
        self._part = part
        self._run = part.run_number
        self._closed = closed

    def write(self) -> UInt8:
        """Write the events of the run; the outcome of each."""
        batch, here = self._batch, slice(self._part.first, self._part.last)
        used, number = number_files(batch.file_index[here], len(batch.files))
        files = [batch.files[i] for i in used.tolist()]
        table = FileTable(files)
        columns = Columns(batch.events[here], table.number[number], batch.olt[here])
        closed = None
        if not self._closed.isdisjoint(file.dsid for file in files):
            closed = np.array([file.dsid in self._closed for file in files], bool)[number]
        return self._write_columns(columns, table, closed)

    def _write_columns(
        self, columns: Columns, table: FileTable, closed: npt.NDArray[np.bool_] | None
    ) -> UInt8:
        """Write the events; of those with a closed dataset only the stored ones are looked at."""
        run = catalogue.lock_run(self._cursor, self._run)
        outcome = np.full(len(columns), Outcome.CLOSED_DATASET, np.uint8)
        inserted: list[Columns] = []
        counted: list[catalogue.FileCounts] = []
        for piece in page_cuts(columns.events, PAGES_AT_ONCE_MAX):
            offered, rows = columns.take(piece), np.arange(piece.start, piece.stop)
            stored = self._read_pages(distinct_pages(offered.events), run)
            if closed is not None:
                taken = ~closed[piece] | are_stored(stored, offered.events)
                offered, rows = offered.take(taken), rows[taken]
            merged = merge(offered, stored, table)
            counted.append(self._write_pages(merged, stored, table, run.generation + 1))
            outcome[rows] = self._settle(merged, self._part.first + rows, offered, table)
            inserted.append(merged.inserted)
            self._connection.step()
        new = [part for part in inserted if len(part)]
        if new:
            catalogue.add_to_files(self._cursor, self._run, counted, table)
            catalogue.add_to_run(self._cursor, run, new)
        return outcome

    def _read_pages(self, page_nos: list[int], run: catalogue.LockedRun) -> dict[int, PackedPage]:
        """The stored pages among these; outside of the run's known events there are none."""
        if not run.has_emptied_pages:
            if run.first_event is None or run.last_event is None:
                return {}
            first, last = run.first_event >> SLOT_BITS, run.last_event >> SLOT_BITS
            page_nos = [page_no for page_no in page_nos if first <= page_no <= last]
        return read_pages(self._cursor, self._run, page_nos)

    def _write_pages(
        self, merged: Merged, stored: dict[int, PackedPage], table: FileTable, generation: int
    ) -> catalogue.FileCounts:
        """Write the pages, and count what is new in them by file."""
        changed: list[tuple[int, PackedPage]] = []
        counted: list[catalogue.FileCounts] = []

        def fresh() -> Iterator[tuple[int, PackedPage]]:
            for page_no, page in merged.pages:
                if page_no in stored:
                    changed.append((page_no, page))
                else:
                    yield page_no, page
            # Here, because the server is storing pages meanwhile.
            counted.append(catalogue.count_files(merged.inserted, len(table)))

        insert_pages(self._cursor, self._run, generation, fresh())
        update_pages(self._cursor, self._run, generation, changed)
        return counted[0]

    def _settle(
        self,
        merged: Merged,
        positions: npt.NDArray[np.intp],
        offered: Columns,
        table: FileTable,
    ) -> UInt8:
        """Store the telescope records and the conflicts; the final outcome of each position."""
        batch, outcome = self._batch, merged.outcome
        differing: dict[int, bytes] = {}
        if batch.cosmic:
            records = list(self._cosmic(positions, offered))
            if records:
                differing = store_records(self._cursor, self._run, records)
                catalogue.set_detector(self._cursor, self._run, records[0][2].detector_id)
        for row in differing:
            if outcome[row] == Outcome.DUPLICATE:
                outcome[row] = Outcome.CONFLICT
        rows = sorted({*np.flatnonzero(outcome == Outcome.CONFLICT).tolist(), *differing})
        if rows:
            conflicts = Conflicts(self._run, offered, merged, table, rows, differing)
            record_conflicts(self._cursor, conflicts, batch, positions)
        return outcome

    def _cosmic(
        self, positions: npt.NDArray[np.intp], offered: Columns
    ) -> Iterator[tuple[int, int, CosmicRecord]]:
        cosmic = self._batch.cosmic
        for row, (position, event) in enumerate(
            zip(positions.tolist(), offered.events.tolist(), strict=True)
        ):
            if position in cosmic:
                yield row, event, cosmic[position]
