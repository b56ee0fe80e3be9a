"""Decoded messages into the store: retried while it is away, searched where it is not.

Runs in the writer thread. Never acknowledges anything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from event_store.database.statements import pieces
from event_store.errors import StoreError, StoreUnavailableError
from event_store.model import DeadLetter, EventColumns, FileInfo, UInt8
from event_store.write.cosmic_datasets import CosmicDataset
from event_store.write.dead_letters import letter_bytes
from event_store.write.writer import KeptLetters
from ingest_service.metrics import Metrics
from ingest_service.model import Decoded, Door, Receipt, Taken
from ingest_service.pipeline.by_collection import (
    REFUSED,
    by_collection,
    is_raw,
    names_of,
    numbers_of,
)
from ingest_service.pipeline.join import dataset_names, join
from ingest_service.pipeline.patience import Database, Patience
from ingest_service.pipeline.receipts import receipts
from ingest_service.pipeline.search import FAILURES_MAX, CannotStoreError, store_what_can_be

log = logging.getLogger(__name__)

# A dead letter that the database refuses is cut to this much of its payload.
_CUT_BYTES = 64 * 1024


class EventStore(Database, Protocol):
    """The writing side of the index, as this service uses it."""

    def write(self, batch: EventColumns, on_progress: Callable[[], None]) -> UInt8:
        """Store a batch, calling back after each step; an Outcome for each position."""

    def commit_token(self) -> str:
        """Return what stands for all that was committed so far."""

    def collections(self, names: Iterable[str]) -> dict[str, int]:
        """Return the numbers of at least those of these collections that there are."""

    def note_files(self, offers: Sequence[FileInfo]) -> frozenset[FileInfo]:
        """Note names, sizes and checksums of files; returns the offers that contradict others."""

    def cosmic_datasets(self, names: Sequence[str]) -> dict[str, CosmicDataset]:
        """Return at least those of these telescope datasets that can be."""

    def add_dead_letters(self, letters: Sequence[DeadLetter], bytes_max: int) -> KeptLetters:
        """Store refused messages, as long as all that are kept take less."""

    def dead_letters_bytes(self) -> int:
        """Return what the dead letters take."""

    def new_letters(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Leave out letters that are kept once and are there already."""


class Storing:
    """Events, names of files and dead letters into the store."""

    def __init__(
        self,
        store: EventStore,
        metrics: Metrics,
        patience: Patience,
        dead_letters_bytes_max: int = 2**63,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._patience = patience
        self._letters_bytes_max = dead_letters_bytes_max
        self.dead_letters_problem: str | None = None

    def store(self, items: Sequence[Taken]) -> list[Receipt]:
        """Store the events of all items; a receipt for each item, in order.

        An event that the database does not take, while it does everything else, is a rejection.

        Raises:
            AbandonedError: the database is away and the service stops.
        """
        with_events = [item for item in items if len(item.decoded.runs)]

        def attempt(part: Sequence[Taken], failures_max: int) -> UInt8:
            return self._patience.call(partial(self._write, part), failures_max)

        refused = self._note_files(with_events)
        found = receipts(items, store_what_can_be(with_events, attempt))
        if refused:
            for item, receipt in zip(items, found, strict=True):
                receipt.refused_files = len(refused.intersection(item.decoded.file_infos))
        if any(item.submission.door is Door.GRPC for item in with_events):
            token = self._patience.retried(self._store.commit_token)
            for receipt in found:
                receipt.commit_token = token
        return found

    def _note_files(self, items: Sequence[Taken]) -> frozenset[FileInfo]:
        """Note what came with the files, before their events; returns what is refused."""
        offers = list({info: None for item in items for info in item.decoded.file_infos})
        if not offers:
            return frozenset()
        try:
            refused = self._patience.call(partial(self._store.note_files, offers), FAILURES_MAX)
        except CannotStoreError as error:
            log.exception("names of files cannot be stored", exc_info=error.__cause__)
            refused = frozenset(offers)
        if refused:
            self._metrics.files_refused(len(refused))
            log.warning(
                "%d files came with another name, size or checksum than noted before, which stays; "
                "the first: %s %r, %d bytes, checksum %r",
                *(len(refused), *min(refused)),
            )
        return refused

    def keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store dead letters, however long it takes; without room for them they are counted.

        Raises:
            AbandonedError: the database is away and the service stops.
        """
        for piece in pieces(letters, letter_bytes):
            self._keep_dead_letters(self._new_letters(piece))

    def _new_letters(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Leave out what is kept once and is there already."""
        if not any(letter.once for letter in letters):
            return letters
        new = self._patience.retried(partial(self._store.new_letters, letters))
        self._metrics.letters_known(len(letters) - len(new))
        return new

    def _keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        try:
            done = self._patience.call(partial(self._add_dead_letters, letters), FAILURES_MAX)
        except CannotStoreError as error:
            half = len(letters) // 2
            if half:
                self._keep_dead_letters(letters[:half])
                self._keep_dead_letters(letters[half:])
                return
            log.exception("a dead letter cannot be stored whole", exc_info=error.__cause__)
            self._keep_cut(letters[0])
            return
        for letter in done.kept:
            self._metrics.dead_letter(letter.reason)
        if done.left:
            first = done.left[0]
            self._metrics.dead_letters_left(len(done.left))
            log.error(
                "no room for %d dead letters (EVENTINDEX_DEAD_LETTERS_BYTES_MAX); the first: "
                "topic %r, %s: %s",
                *(len(done.left), first.topic, first.reason, first.detail),
            )
        self._note_letters(done.bytes, full=bool(done.left))

    def look_at_letters(self) -> None:
        """Find out, once, whether the database answers: how much room dead letters have."""

        def ask() -> None:
            self._note_letters(self._store.dead_letters_bytes(), full=False)

        self._patience.ask(ask)

    def _keep_cut(self, letter: DeadLetter) -> None:
        """Store a letter cut short, which is always storable: else the database is not in order."""
        if len(letter.payload) > _CUT_BYTES:
            letter = replace(letter, payload=letter.payload[:_CUT_BYTES], truncated=True)

        def add() -> KeptLetters:
            try:
                return self._add_dead_letters([letter])
            except StoreError as error:
                raise StoreUnavailableError(str(error)) from error

        self._patience.retried(add)
        self._metrics.dead_letter(letter.reason)

    def _write(self, items: Sequence[Taken]) -> UInt8:
        self._patience.beat()
        started = time.monotonic()
        decoded = [item.decoded for item in items]
        names = dataset_names(decoded)
        datasets = self._store.cosmic_datasets(names) if names else {}
        columns = join(decoded, [item.submission.source for item in items], datasets)
        outcomes = self._write_collections(columns, decoded, datasets)
        self._metrics.committed(len(columns), time.monotonic() - started)
        return outcomes

    def _write_collections(
        self,
        columns: EventColumns,
        decoded: Sequence[Decoded],
        datasets: Mapping[str, CosmicDataset],
    ) -> UInt8:
        """Store the events of each collection by themselves; nearly always there is one."""
        if all(map(is_raw, decoded)):
            return self._store.write(columns, self._patience.beat)
        named = self._store.collections(names_of(decoded))
        numbers = [number for item in decoded for number in numbers_of(item, named, datasets)]
        outcomes = np.empty(len(columns), np.uint8)
        for number, part, rows in by_collection(columns, numbers):
            refused = REFUSED.get(number)
            outcomes[rows] = (
                self._store.write(part, self._patience.beat) if refused is None else refused
            )
        return outcomes

    def _add_dead_letters(self, letters: Sequence[DeadLetter]) -> KeptLetters:
        self._patience.beat()
        return self._store.add_dead_letters(letters, self._letters_bytes_max)

    def _note_letters(self, kept_bytes: int, *, full: bool) -> None:
        full = full or kept_bytes >= self._letters_bytes_max
        self._metrics.dead_letters_size(kept_bytes, self._letters_bytes_max)
        self.dead_letters_problem = (
            f"no room for new ones: {kept_bytes} bytes are kept, the limit is "
            f"{self._letters_bytes_max}; replay or discard some"
            if full
            else None
        )
