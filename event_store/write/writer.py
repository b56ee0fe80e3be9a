"""Batches into the database.

Registers what is new, and cuts a batch into transactions (`plan`), of which each is a
`transaction`. Never looks at a page.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database import startup
from event_store.database.connection import Connection, StoreOptions
from event_store.database.rights import WRITER_RIGHTS
from event_store.errors import StoreError, StoreUnavailableError
from event_store.model import RAW, RAW_NAME, DeadLetter, EventColumns, FileInfo, Outcome, UInt8
from event_store.select.collections import can_be_a_name, collection_numbers
from event_store.write import catalogue, file_infos
from event_store.write.cosmic_datasets import CosmicDataset, number_cosmic_datasets
from event_store.write.dead_letters import (
    insert_dead_letters,
    kept_letters_bytes,
    letter_bytes,
    with_room,
)
from event_store.write.plan import RUNS_PER_TRANSACTION_MAX, in_order, transactions
from event_store.write.repeated_letters import without_known
from event_store.write.transaction import Transaction

_NAME = "eventindex ingest_service"
_NAMES_REMEMBERED_MAX = 100_000
COLLECTIONS_MAX = 10_000
_NO_LIMIT = 2**63 - 1
_END_BACKEND = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s "
    "AND application_name = %s AND usename = current_user AND datname = current_database()"
)
_LOCK_TABLES = (
    "LOCK TABLE run, event_page, raw_file, dataset, event_conflict, cosmic_event, dead_letter "
    "IN ROW EXCLUSIVE MODE"
)


class KeptLetters(NamedTuple):
    """Dead letters that were stored, those without room, and what all that are kept take."""

    kept: Sequence[DeadLetter]
    left: Sequence[DeadLetter]
    bytes: int


class Store:
    """The writing side of the index. For one thread at a time; connects when first used."""

    def __init__(
        self,
        database_url: str,
        options: StoreOptions | None = None,
        *,
        collections_max: int = COLLECTIONS_MAX,
    ) -> None:
        """`collections_max` is how many there may be when a telescope's is to be made."""
        self._collections_max = collections_max
        self._url = database_url
        self._options = options or StoreOptions()
        self._connection = self._new_connection(_NAME)
        self._backend_pid: int | None = None
        self._server = ""
        self._known_datasets: set[int] = set()
        self._collections: dict[str, int] = {RAW_NAME: RAW}
        self._cosmic_datasets: dict[str, CosmicDataset] = {}
        self._known_files: dict[uuid.UUID, FileInfo] = {}

    def write(self, batch: EventColumns, on_progress: Callable[[], None] = lambda: None) -> UInt8:
        """Store a batch of n events; committed when this returns.

        Of a repeat within the batch the first position wins. `on_progress` is called whenever a
        part of the work was done: a batch of very many runs takes a while.

        Returns:
            An `Outcome` for each position: uint8, shape (n,).

        Raises:
            StoreUnavailableError: nothing or a part of the batch is stored; offer it again.
            StoreError: the database refuses a value of the batch.
        """
        outcome = np.empty(len(batch), np.uint8)
        if len(batch) == 0:
            return outcome

        def step() -> None:
            self._connection.step()
            on_progress()

        dsid_of_file = np.array([file.dsid for file in batch.files], np.int64)
        used = np.flatnonzero(np.bincount(batch.file_index, minlength=len(batch.files)))
        dsids = np.unique(dsid_of_file[used]).tolist()
        self._register_datasets(dsids, batch.collection)
        batch, order = in_order(batch)
        # Over two nodes a commit has two phases, between which an acknowledged event is not seen.
        runs_max = 1 if (alone := self._connection.is_distributed()) else RUNS_PER_TRANSACTION_MAX
        for parts in transactions(batch.runs, batch.events, runs_max):
            here = slice(parts[0].first, parts[-1].last)
            asked = dsids
            if len(dsids) > 1 and here.stop - here.start < len(batch):
                asked = np.unique(dsid_of_file[batch.file_index[here]]).tolist()
            with self._cursor() as cursor:
                refused, closed = self._refused(cursor, asked, batch.collection)
                writes = Transaction(cursor, step, batch, refused, closed=closed, by_shard=alone)
                outcome[here] = writes.write(parts)
            on_progress()
        if order is not None:
            outcome[order] = outcome.copy()
        return outcome

    def commit_token(self) -> str:
        """Return what stands for all that was committed so far, for readers of a replica.

        Raises:
            StoreUnavailableError: try again.
        """
        return self._connection.commit_token()

    def collections(self, names: Iterable[str]) -> dict[str, int]:
        """Return the numbers of at least those of these collections that there are.

        Raises:
            StoreUnavailableError: try again.
        """
        new = [name for name in set(names) - self._collections.keys() if can_be_a_name(name)]
        if new:
            with self._cursor() as cursor:
                self._collections.update(collection_numbers(cursor, new))
        return self._collections

    def cosmic_datasets(self, names: Sequence[str]) -> dict[str, CosmicDataset]:
        """Return at least these telescope datasets; new ones are 2³⁰ and up.

        With a new detector its collection is made; where no more may be made, its datasets are
        left out.

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
            found = number_cosmic_datasets(cursor, new, self._collections_max)
        self._cosmic_datasets.update(found)
        self._known_datasets.update(one.dsid for one in found.values())
        return self._cosmic_datasets

    def note_files(self, offers: Sequence[FileInfo]) -> frozenset[FileInfo]:
        """Note names, sizes and checksums of files; returns the offers that contradict others.

        What was noted first stays. Committed when this returns; offering again is harmless.

        Raises:
            StoreUnavailableError: try again.
            StoreError: the database refuses a value.
        """
        known = self._known_files
        new = [
            offer
            for offer in offers
            if (noted := known.get(offer.fuid)) is None or file_infos.filled(offer, noted) != noted
        ]
        noted_now: dict[uuid.UUID, FileInfo] = {}
        for piece in file_infos.info_pieces(new):
            with self._cursor() as cursor:
                noted_now |= file_infos.note(cursor, piece)
        if len(known) + len(noted_now) > _NAMES_REMEMBERED_MAX:
            known.clear()
        known |= noted_now
        return file_infos.refused(new, noted_now)

    def add_dead_letters(
        self, letters: Sequence[DeadLetter], bytes_max: int = _NO_LIMIT
    ) -> KeptLetters:
        """Store refused messages while all that are kept take less; committed when this returns.

        Several writers at once may pass the limit by what each of them stores at that moment.

        Raises:
            StoreUnavailableError: try again.
            StoreError: the database refuses one of them.
        """
        with self._connection.cursor() as cursor:
            self._backend_pid = self._connection.backend_pid
            kept_bytes = kept_letters_bytes(cursor)
            kept, left = with_room(letters, bytes_max - kept_bytes)
            insert_dead_letters(cursor, kept, self._connection.step)
        return KeptLetters(kept, left, kept_bytes + sum(map(letter_bytes, kept)))

    def dead_letters_bytes(self) -> int:
        """Return what the dead letters take.

        Raises:
            StoreUnavailableError: try again.
        """
        with self._connection.cursor() as cursor:
            return kept_letters_bytes(cursor)

    def new_letters(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Leave out letters that are kept once and are there already.

        Raises:
            StoreUnavailableError: try again.
        """
        with self._connection.cursor() as cursor:
            return without_known(cursor, letters)

    def check(self, connections: int = 0) -> list[str]:
        """Ask whether the database can be used; see `startup.check`."""
        return startup.check(self._connection, WRITER_RIGHTS, connections)

    def probe(self) -> None:
        """Ask, beside a request that failed, whether the database does everything else.

        It does when a change is committed on another connection: a full disk, a lost right, a
        table that somebody locks and a replica that is waited for let a plain SELECT pass. What
        the server may still be doing for the failed request is ended first, with its locks.

        Raises:
            StoreUnavailableError: it does not.
        """
        beside = self._new_connection(f"{_NAME} probe")
        try:
            startup.check(beside, WRITER_RIGHTS)
            with beside.cursor() as cursor:
                if self._connection.backend_pid is None:
                    cursor.execute(_END_BACKEND, (self._backend_pid, _NAME))
            with beside.cursor() as cursor:
                catalogue.refused_datasets(cursor, [], RAW)
                cursor.execute(_LOCK_TABLES)
                cursor.execute("UPDATE dataset_version SET version = version")
        except StoreError as error:
            raise StoreUnavailableError(str(error)) from error
        finally:
            beside.close()

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _new_connection(self, name: str) -> Connection:
        return Connection(self._url, self._options, autocommit=False, name=name)

    def _register_datasets(self, dsids: Sequence[int], collection: int) -> None:
        """Register new datasets of a collection in a transaction of their own.

        Writers of runs then touch rows of their runs only and cannot deadlock.
        """
        new = set(dsids) - self._known_datasets
        if new:
            with self._cursor() as cursor:
                catalogue.register_datasets(cursor, sorted(new), collection)
            self._known_datasets |= new

    def _refused(
        self, cursor: Cursor, dsids: Sequence[int], collection: int
    ) -> tuple[dict[int, Outcome], bool]:
        try:
            return catalogue.refused_datasets(cursor, dsids, collection)
        except catalogue.ForgottenError:
            self._forget()
            raise

    def _forget(self) -> None:
        """Look names and numbers up again."""
        self._known_datasets.clear()
        self._cosmic_datasets.clear()
        self._known_files.clear()
        self._collections = {RAW_NAME: RAW}

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        """Open a cursor on the server that the remembered datasets are from.

        Raises:
            StoreUnavailableError: it is another one, after a failover or restore; they are
                forgotten, and the batch may be offered again.
        """
        with self._connection.cursor() as cursor:
            self._backend_pid = self._connection.backend_pid
            if self._connection.server != self._server:
                known, self._server = self._server, self._connection.server
                self._forget()
                if known:
                    raise StoreUnavailableError("the database server has changed")
            yield cursor
