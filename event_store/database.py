"""Connections to PostgreSQL: opened with limits, watched from outside, errors translated once.

The only module that knows psycopg2's errors. What the driver said is logged, never passed on to
a client.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import psycopg2
import psycopg2.extensions

from event_store.errors import StoreError, StoreUnavailableError, UnansweredError

log = logging.getLogger(__name__)

# SQLSTATE classes of values that the database will never take: data exception, cardinality,
# integrity constraint, program limit. Everything else may be gone at the next attempt.
_REFUSED_CLASSES = frozenset({"21", "22", "23", "54"})
# Of these the request is not the cause: connection exception, transaction state (read-only),
# rollback, resources, operator intervention, system error.
_AWAY_CLASSES = frozenset({"08", "25", "40", "53", "57", "58"})
_QUERY_CANCELED = "57014"
# data_corrupted, index_corrupted
_DAMAGED = frozenset({"XX001", "XX002"})

_WHICH_SERVER = (
    "SELECT system_identifier || '/' || timeline_id || '/' || pg_postmaster_start_time() "
    "|| '/' || oid FROM pg_control_system(), pg_control_checkpoint(), pg_database "
    "WHERE datname = current_database()"
)
# An acknowledgement says that the commit is on disk, whatever the server's default is.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Limits of a connection; the settings reference says what each is for."""

    connect_timeout_s: int = 5
    stall_timeout_s: float = 25.0
    lock_timeout_ms: int = 10_000
    idle_in_transaction_timeout_ms: int = 30_000


class Connection:
    """One connection, opened when first used and again after it broke. For one thread at a time.

    Attributes:
        server: what tells this server from another one behind the same address: system
            identifier, timeline, start time and the database's oid. Changes at a failover,
            restore or restart, and when another database takes this one's name.
        stalled: the last use was given up because the server was silent.
    """

    def __init__(self, url: str, options: StoreOptions, *, autocommit: bool, name: str) -> None:
        self._url = url
        self._options = options
        self._autocommit = autocommit
        self._name = name
        self._raw: psycopg2.extensions.connection | None = None
        self._deadline = float("inf")
        self._prepared: set[str] = set()
        self.server = ""
        self.stalled = False
        _watchdog.watch(self)

    @contextmanager
    def cursor(self) -> Iterator[psycopg2.extensions.cursor]:
        """A cursor in a transaction (or in autocommit): commits at the end, else rolls back.

        Raises:
            StoreUnavailableError: try again later; the connection may have been dropped.
            StoreError: the values were refused.
        """
        self.stalled = False
        try:
            raw = self._open()
            self._deadline = time.monotonic() + self._options.stall_timeout_s
            with raw.cursor() as cursor:
                yield cursor
                self._deadline = time.monotonic() + self._options.stall_timeout_s
                if not self._autocommit:
                    raw.commit()
        except psycopg2.Error as error:
            self._recover(error)
            raise _translate(error) from error
        except BaseException:
            self.close()
            raise
        finally:
            self._deadline = float("inf")

    def prepare(self, cursor: psycopg2.extensions.cursor, name: str, sql: str) -> None:
        """Prepare a statement for `EXECUTE name(…)`, once for each session of this connection."""
        if name not in self._prepared:
            cursor.execute(f"PREPARE {name} AS {sql}")
            self._prepared.add(name)

    def step(self) -> None:
        """Say that the transaction makes progress: the stall timeout begins anew."""
        self._deadline = time.monotonic() + self._options.stall_timeout_s

    @property
    def backend_pid(self) -> int | None:
        """The server process of the connection, None while it is closed."""
        raw = self._raw
        return None if raw is None or raw.closed else raw.info.backend_pid

    def close(self) -> None:
        """Drop the connection; the next use opens a new one."""
        raw, self._raw = self._raw, None
        if raw is not None:
            try:
                raw.close()
            except psycopg2.Error as error:
                log.debug("close failed: %s", error)

    def abort_if_stalled(self, now: float) -> None:
        """Cut the socket under a call that has been silent for too long (any thread)."""
        raw = self._raw
        if raw is None or now < self._deadline:
            return
        log.error("the database did not answer for %.0f s", self._options.stall_timeout_s)
        self.stalled = True
        self._deadline = float("inf")
        try:
            with socket.socket(fileno=raw.fileno()) as cut:
                cut.shutdown(socket.SHUT_RDWR)
                cut.detach()
        except (OSError, psycopg2.Error) as error:
            log.debug("shutdown failed: %s", error)

    def _open(self) -> psycopg2.extensions.connection:
        if self._raw is not None and not self._raw.closed:
            return self._raw
        options = self._options
        raw = psycopg2.connect(
            self._url,
            connect_timeout=options.connect_timeout_s,
            application_name=self._name,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            options=f"-c lock_timeout={options.lock_timeout_ms} "
            f"-c idle_in_transaction_session_timeout={options.idle_in_transaction_timeout_ms}",
        )
        self._raw = raw
        self._prepared.clear()
        self._deadline = time.monotonic() + options.stall_timeout_s
        try:
            raw.autocommit = True
            with raw.cursor() as cursor:
                cursor.execute(_WHICH_SERVER)
                self.server = str(fetch_one(cursor)[0])
                if not self._autocommit:
                    cursor.execute(_DURABLE)
            raw.autocommit = self._autocommit
        except BaseException:
            # Half set up, it would write without transactions.
            self.close()
            raise
        return raw

    def _recover(self, error: psycopg2.Error) -> None:
        raw = self._raw
        if raw is None:
            return
        if raw.closed or isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            self.close()
            return
        try:
            raw.rollback()
        except psycopg2.Error:
            self.close()


def fetch_one(cursor: psycopg2.extensions.cursor) -> tuple[Any, ...]:
    """The row of a query that always has one."""
    row = cursor.fetchone()
    assert row is not None  # noqa: S101
    return row


def copy_in(cursor: psycopg2.extensions.cursor, sql: str, data: bytes) -> None:
    """Run a `COPY … FROM STDIN (FORMAT BINARY)`."""
    cursor.copy_expert(sql, BytesIO(data), size=1 << 20)


def copy_out(cursor: psycopg2.extensions.cursor, sql: str) -> bytes:
    """Run a `COPY (…) TO STDOUT (FORMAT BINARY)`."""
    buffer = BytesIO()
    cursor.copy_expert(sql, buffer)
    return buffer.getvalue()


def copy_rows(
    cursor: psycopg2.extensions.cursor, sql: str, take: Callable[[bytes], object]
) -> None:
    """As `copy_out`, but each row is taken as it comes, while the server reads the next ones."""
    cursor.copy_expert(sql, _Taker(take))


class _Taker:
    """What psycopg2 takes for a file; PostgreSQL sends a row a message."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self.write = take


@contextmanager
def damage_contained(cursor: psycopg2.extensions.cursor) -> Iterator[list[str]]:
    """Let statements of a transaction fail on damaged storage, and the transaction go on.

    Yields a list that holds what PostgreSQL said, once it said so.
    """
    damage: list[str] = []
    cursor.execute("SAVEPOINT damage")
    try:
        yield damage
    except psycopg2.Error as error:
        if error.pgcode not in _DAMAGED:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT damage")
        damage.append(_first_line(error))
    cursor.execute("RELEASE SAVEPOINT damage")


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


def _translate(error: psycopg2.Error) -> Exception:
    code = error.pgcode or ""
    first_line = _first_line(error)
    if code[:2] in _REFUSED_CLASSES:
        return StoreError(f"the database refused the values ({code}): {first_line}")
    if code in {"42P01", "42883"}:
        return StoreUnavailableError(f"{first_line}: run `eventindex migrate`")
    text = f"{code or type(error).__name__}: {first_line}"
    if code[:2] in _AWAY_CLASSES and code != _QUERY_CANCELED:
        return StoreUnavailableError(text)
    return UnansweredError(text)


class _Watchdog:
    """Looks once a second for calls that no keepalive and no statement timeout ends.

    A link that still acknowledges TCP and answers nothing holds libpq for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def watch(self, connection: Connection) -> None:
        """Watch a connection for as long as it lives."""
        with self._lock:
            self._connections.add(connection)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="database-watchdog", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(1.0)
            with self._lock:
                connections = list(self._connections)
            now = time.monotonic()
            for connection in connections:
                connection.abort_if_stalled(now)


_watchdog = _Watchdog()
