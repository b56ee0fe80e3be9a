"""Calls of the store until they are done: again while it is away, never for ever where it is not.

Runs in the writer thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from event_store.errors import StoreError, StoreUnavailableError, UnansweredError
from ingest_service.metrics import Metrics
from ingest_service.pipeline.search import CannotStoreError

log = logging.getLogger(__name__)

_R = TypeVar("_R")


class AbandonedError(Exception):
    """The service stops before the store came back; nothing may be acknowledged."""


class Database(Protocol):
    """What is asked of the store to find out how it is."""

    def probe(self) -> None:
        """Ask, beside a request that failed, whether the database does everything else."""

    def check(self) -> object:
        """Ask whether the database can be used at all."""

    def close(self) -> None:
        """Drop the connection."""


class Patience:
    """Wait for the database, and know whether it answers."""

    def __init__(
        self,
        store: Database,
        metrics: Metrics,
        retry_max_s: float,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called at each sign of progress."""
        self._store = store
        self._metrics = metrics
        self._abandon = threading.Event()
        self.beat = beat
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

    def check(self) -> bool:
        """Find out, once, whether the database answers and can be used at all."""
        return self.ask(self._store.check)

    def close(self) -> None:
        """Drop the connection."""
        self._store.close()

    def ask(self, question: Callable[[], object]) -> bool:
        """Ask the database something, once; whether it answers."""
        self.beat()
        try:
            question()
        except (StoreUnavailableError, StoreError) as error:
            self._is_down(error)
            return False
        self._is_up()
        return True

    def call(self, work: Callable[[], _R], failures_max: int) -> _R:
        """Call until the database has done it.

        Raises:
            AbandonedError: the service stops before.
            CannotStoreError: it failed so often, and each time the database did other things.
        """
        failures = 0

        def once() -> _R:
            nonlocal failures
            try:
                return work()
            except StoreUnavailableError as error:
                if not isinstance(error, UnansweredError):
                    raise
                self._probe()
                failures += 1
                if failures < failures_max:
                    raise
                raise CannotStoreError from error
            except Exception as error:
                self._probe()
                raise CannotStoreError from error

        return self.retried(once)

    def _probe(self) -> None:
        self.beat()
        self._store.probe()
        self.beat()

    def retried(self, work: Callable[[], _R]) -> _R:
        """Call until the database answers.

        Raises:
            AbandonedError: the service stops before.
        """
        try:
            result = self._retrying(work)
        except StoreUnavailableError as error:
            raise AbandonedError(str(error)) from error
        self._is_up()
        return result

    def _on_retry(self, state: RetryCallState) -> None:
        self.beat()
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
