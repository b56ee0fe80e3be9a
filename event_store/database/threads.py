"""Database work in a bounded number of threads, each with a connection of its own.

The event loop never waits for PostgreSQL. When a caller goes away its query is cancelled.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from event_store.database.connection import Connection, StoreOptions
from event_store.database.hosts import Hosts
from event_store.database.workers import Workers
from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError

log = logging.getLogger(__name__)

T = TypeVar("T")


class _Job:
    """The connection that a piece of work uses while it runs."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self.cancelled = False

    def enter(self, connection: Connection | None) -> None:
        """Note the connection, or None at the end."""
        self._connection = connection

    def cancel(self, canceller: Connection) -> None:
        """Cancel the query that runs now, if the work is still at it.

        By a statement on another connection: libpq's own cancel has no timeout, and psycopg2 holds
        the interpreter while it waits. If the work ends first, the cancel may hit the next query of
        its connection, which is then done again.
        """
        self.cancelled = True
        connection = self._connection
        pid = None if connection is None else connection.backend_pid
        if connection is None or pid is None:
            return
        try:
            with canceller.cursor() as cursor:
                # On another host the number is that of somebody else.
                if canceller.server != connection.server:
                    return
                cursor.execute("SELECT pg_cancel_backend(%s)", (pid,))
        except (StoreUnavailableError, StoreError) as error:
            log.debug("a query could not be cancelled: %s", error)


class Begun(Generic[T]):
    """Work that was handed to a thread."""

    def __init__(self, job: _Job, future: Future[T], stop: Callable[[_Job], object]) -> None:
        self._job, self._stop = job, stop
        self.future = future

    def cancel(self) -> None:
        """Cancel the query that runs, or the whole of it where no thread has it yet."""
        self.future.cancel()
        self._stop(self._job)


class DatabaseThreads:
    """Runs functions of a connection; at most `connections_max` at a time, the others wait."""

    def __init__(
        self,
        database: str | Hosts,
        options: StoreOptions,
        connections_max: int,
        *,
        name: str,
        autocommit: bool = True,
    ) -> None:
        self._database = database
        self._options = options
        self._name = name
        self._autocommit = autocommit
        self._local = threading.local()
        self._pool = Workers(connections_max, "database")
        self._cancels = ThreadPoolExecutor(1, "cancel")
        self._canceller = Connection(database, options, autocommit=True, name=f"{name} cancel")

    async def run(self, work: Callable[[Connection], T], *, repeatable: bool = True) -> T:
        """Run `work` with a connection; once more at once when that was lost meanwhile.

        Args:
            work: the function.
            repeatable: whether doing the work twice is the same as once. Where it is not, the
                connection is tried first and the work then begun once only.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        begun = self.begin(work, repeatable=repeatable)
        try:
            return await asyncio.wrap_future(begun.future)
        except asyncio.CancelledError:
            begun.cancel()
            raise

    def begin(self, work: Callable[[Connection], T], *, repeatable: bool = True) -> Begun[T]:
        """Do as `run` without waiting for it: whoever wants to know asks the future."""
        job = _Job()
        # What the log says in the thread is about the call that waits for it.
        context = contextvars.copy_context()
        future = self._pool.submit(partial(context.run, self._call, job, work, repeatable))
        return Begun(job, future, self._cancel)

    def _cancel(self, job: _Job) -> None:
        self._cancels.submit(job.cancel, self._canceller)

    def close(self) -> None:
        """Let running work end."""
        self._cancels.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    def _call(self, job: _Job, work: Callable[[Connection], T], repeatable: bool) -> T:
        connection = self._connection()
        job.enter(connection)
        try:
            if repeatable:
                return _patiently(job, work, connection)
            _patiently(job, _ping, connection)
            return work(connection)
        finally:
            job.enter(None)

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = Connection(
                self._database, self._options, autocommit=self._autocommit, name=self._name
            )
            self._local.connection = connection
        return connection


def _patiently(job: _Job, work: Callable[[Connection], T], connection: Connection) -> T:
    try:
        return work(connection)
    except StoreUnavailableError as error:
        # A caller that already sat through one stall gets the error: the next try could stall too.
        if job.cancelled or connection.stalled or isinstance(error, UnusableDatabaseError):
            raise
        log.warning("database call failed, once more on a new connection: %s", error)
        connection.close()
        return work(connection)


def _ping(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
