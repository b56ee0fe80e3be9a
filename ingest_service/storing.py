"""Decoded messages into the store: retried while it is away, bisected where it refuses.

Runs in the writer thread. Never acknowledges anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

import numpy as np
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from event_store.errors import StoreError, StoreUnavailableError
from event_store.model import DeadLetter, EventColumns, Outcome, UInt8
from ingest_service.join import dataset_names, join
from ingest_service.metrics import Metrics
from ingest_service.model import (
    AnyFile,
    CosmicFile,
    Decoded,
    Reason,
    Receipt,
    Rejection,
    Submission,
)

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")
_FAILED = "the batch cannot be stored; the log of the service has the reason"


class AbandonedError(Exception):
    """The service stops before the store came back; nothing may be acknowledged."""


class EventStore(Protocol):
    """The writing side of the index, as this service uses it."""

    def write(self, batch: EventColumns, on_commit: Callable[[], None]) -> UInt8:
        """Store a batch, calling back after each transaction; an Outcome for each position."""

    def cosmic_datasets(self, names: Sequence[str]) -> dict[str, int]:
        """Return the number of at least these telescope datasets."""

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store refused messages."""

    def new_letters(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Leave out letters that are kept once and are there already."""

    def check(self) -> object:
        """Ask whether the database can be used at all."""

    def ping(self) -> None:
        """Ask the database for a sign of life."""

    def close(self) -> None:
        """Drop the connection."""


@dataclass(slots=True)
class Item:
    """A submission with its events."""

    submission: Submission
    decoded: Decoded


class Storing:
    """The store with patience."""

    def __init__(self, store: EventStore, metrics: Metrics, retry_max_s: float) -> None:
        self._store = store
        self._metrics = metrics
        self._abandon = threading.Event()
        self.beat = time.monotonic()
        self.database_problem: str | None = "not asked yet"
        self.last_answer = 0.0
        self._retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            wait=wait_random_exponential(multiplier=0.1, max=retry_max_s),
            stop=stop_when_event_set(self._abandon),
            sleep=sleep_using_event(self._abandon),
            before_sleep=self._on_retry,
            reraise=True,
        )

    def abandon(self) -> None:
        """Give up waiting for a database that is away (any thread)."""
        self._abandon.set()

    def store(self, items: Sequence[Item]) -> list[Receipt]:
        """Store the events of all items; a receipt for each item, in order.

        An item that the store refuses is found by halving and gets a receipt with `failed`.

        Raises:
            AbandonedError: the database is away and the service stops.
        """
        if not items:
            return []
        try:
            outcomes = self._patiently(self._write, items)
        except AbandonedError:
            raise
        except Exception as error:
            if len(items) == 1:
                log.exception("a submission from %r cannot be stored", items[0].submission.source)
                return [_refused_whole(items[0], error)]
            half = len(items) // 2
            return self.store(items[:half]) + self.store(items[half:])
        return receipts(items, outcomes)

    def keep_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Store dead letters, however long it takes.

        Raises:
            AbandonedError: the database is away and the service stops.
        """
        if not letters:
            return
        if any(letter.once for letter in letters):
            offered, letters = len(letters), self._patiently(self._store.new_letters, letters)
            self._metrics.letters_known(offered - len(letters))
        self._patiently(self._add_dead_letters, letters)
        for letter in letters:
            self._metrics.dead_letter(letter.reason)

    def check(self) -> bool:
        """Find out, once, whether the database answers and can be used at all."""
        return self._ask(self._store.check)

    def ping(self) -> None:
        """Find out, once, whether the database answers."""
        self._ask(self._store.ping)

    def close(self) -> None:
        """Drop the connection."""
        self._store.close()

    def _ask(self, question: Callable[[], object]) -> bool:
        self.beat = time.monotonic()
        try:
            question()
        except (StoreUnavailableError, StoreError) as error:
            self._is_down(error)
            return False
        self._is_up()
        return True

    def _patiently(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            result = self._retrying(call, *args, **kwargs)
        except StoreUnavailableError as error:
            raise AbandonedError(str(error)) from error
        self._is_up()
        return result

    def _write(self, items: Sequence[Item]) -> UInt8:
        started = self.beat = time.monotonic()
        decoded = [item.decoded for item in items]
        names = dataset_names(decoded)
        datasets = self._store.cosmic_datasets(names) if names else {}
        columns = join(decoded, [item.submission.source for item in items], datasets)
        outcomes = self._store.write(columns, self._progress)
        self._metrics.committed(len(columns), time.monotonic() - started)
        return outcomes

    def _progress(self) -> None:
        self.beat = time.monotonic()

    def _add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """A dead letter is always storable: where it is refused, the database is not in order."""
        self.beat = time.monotonic()
        try:
            self._store.add_dead_letters(letters)
        except StoreError as error:
            log.exception("dead letters were refused; trying again")
            raise StoreUnavailableError(str(error)) from error

    def _on_retry(self, state: RetryCallState) -> None:
        self.beat = time.monotonic()
        self._metrics.store_retry()
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            self._is_down(error)

    def _is_up(self) -> None:
        self.last_answer = time.monotonic()
        if self.database_problem is not None:
            log.info("the database answers")
        self.database_problem = None
        self._metrics.database_up(up=True)

    def _is_down(self, error: BaseException) -> None:
        problem = str(error) or "no answer"
        if problem != self.database_problem:
            log.warning("the database does not answer, events wait: %s", problem)
        self.database_problem = problem
        self._metrics.database_up(up=False)


def receipts(items: Sequence[Item], outcomes: UInt8) -> list[Receipt]:
    """Return what became of each item from the outcome of each of their events in one row."""
    lengths = [len(item.decoded.runs) for item in items]
    numbers = np.repeat(np.arange(len(items)), lengths)
    table = np.bincount(numbers * len(Outcome) + outcomes, minlength=len(items) * len(Outcome))
    found = []
    start = 0
    for item, length, (inserted, duplicates, conflicts, closed) in zip(
        items, lengths, table.reshape(-1, len(Outcome)).tolist(), strict=True
    ):
        rejections = item.decoded.rejections
        if closed:
            part = outcomes[start : start + length]
            rejections = sorted([*rejections, *_closed(item.decoded, part)])
        found.append(Receipt(inserted, duplicates, conflicts, rejections))
        start += length
    return found


def _closed(decoded: Decoded, outcomes: UInt8) -> list[Rejection]:
    rows = np.flatnonzero(outcomes == Outcome.CLOSED_DATASET)
    positions = rows if decoded.positions is None else np.asarray(decoded.positions)[rows]
    files = np.asarray(decoded.file_index)[rows]
    return [
        Rejection(
            position,
            Reason.CLOSED_DATASET,
            f"{_dataset(decoded.files[file])} is frozen or retired and takes no new events",
        )
        for position, file in zip(positions.tolist(), files.tolist(), strict=True)
    ]


def _dataset(file: AnyFile) -> str:
    return (
        f"dataset {file.dataset_name}" if isinstance(file, CosmicFile) else f"dsid_raw={file.dsid}"
    )


def _refused_whole(item: Item, error: Exception) -> Receipt:
    rejections = [
        Rejection(position, Reason.CANNOT_STORE, f"{type(error).__name__}: {error}")
        for position in range(item.decoded.offered)
    ]
    return Receipt(rejections=rejections, failed=_FAILED)
