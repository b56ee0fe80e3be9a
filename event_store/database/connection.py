"""Connections to PostgreSQL: opened when used, watched from outside, errors translated once.

How one begins is `session`'s, what an error means is `driver`'s. What the driver said is logged,
never passed on to a client.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE, TRANSACTION_STATUS_IDLE

from event_store.database import session, watchdog
from event_store.database.driver import ends_session, first_line, meaning_of, translate
from event_store.database.hosts import Hosts, one_url
from event_store.database.sqlstate import Meaning
from event_store.errors import UnusableDatabaseError

log = logging.getLogger(__name__)

_WHICH_SERVER = (
    "SELECT pg_backend_pid(), system_identifier || '/' || timeline_id || '/' "
    "|| pg_postmaster_start_time() || '/' || oid, "
    "EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus') "
    "FROM pg_control_system(), pg_control_checkpoint(), pg_database "
    "WHERE datname = current_database()"
)
# Asked only of a server with the extension, which alone has this table.
_IS_DISTRIBUTED = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_dist_partition "
    "WHERE logicalrelid = to_regclass('run') AND partmethod = 'h')"
)
_LOCKS_OF_NODES = "SET LOCAL citus.propagate_set_commands = local; SET LOCAL lock_timeout = %s"
# A statement that makes progress may take longer than a stall; one that the client gave up is ended
# by the server at this multiple of it at the latest.
_STATEMENT_STALLS = 4
# An acknowledgement says that the commit is on disk, whatever the server's default is.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Limits of a connection; the settings reference says what each is for.

    `least_privilege` refuses a role that may do everything.
    """

    connect_timeout_s: int = 5
    stall_timeout_s: float = 25.0
    lock_timeout_ms: int = 10_000
    idle_in_transaction_timeout_ms: int = 30_000
    least_privilege: bool = False


class Connection:
    """One connection, opened when first used and again after it broke. For one thread at a time.

    Attributes:
        server: what tells this server from another one behind the same address: system
            identifier, timeline, start time and the database's oid. Changes at a failover,
            restore or restart, and when another database takes this one's name.
        backend_pid: the server process of the connection, None while it is closed.
        pooled: whether a pooler stands between.
        least_privilege: a role that may do everything is to be refused.
        distributed: whether the tables by run lie on the nodes of a cluster (Citus).
        stalled: the last use was given up because the server was silent.
        before_commit: what else each transaction does, last of all.
    """

    def __init__(
        self, database: str | Hosts, options: StoreOptions, *, autocommit: bool, name: str
    ) -> None:
        """`database`: its URL, or the hosts that connections of this process keep to."""
        self._hosts = one_url(database) if isinstance(database, str) else database
        self._turn = 0
        self._options = options
        self.least_privilege = options.least_privilege
        self._autocommit = autocommit
        self._name = name
        self._raw: psycopg2.extensions.connection | None = None
        self._deadline = float("inf")
        self._prepared: set[str] = set()
        self._backend_pid = 0
        self.server = ""
        self.pooled = False
        self.distributed = False
        self.stalled = False
        self.before_commit: Callable[[psycopg2.extensions.cursor], None] | None = None
        watchdog.watch(self)

    @contextmanager
    def cursor(self) -> Iterator[psycopg2.extensions.cursor]:
        """Open a cursor in a transaction (or in autocommit): commit at the end, else roll back.

        Raises:
            StoreUnavailableError: try again later; the connection may have been dropped.
            StoreError: the statement or its values were refused.
        """
        with self._use() as cursor:
            if self.distributed and not self._autocommit:
                # A node inherits nothing of this session; what a transaction sets for itself is
                # handed on.
                cursor.execute(_LOCKS_OF_NODES, (self._options.lock_timeout_ms,))
            yield cursor

    @contextmanager
    def _use(self) -> Iterator[psycopg2.extensions.cursor]:
        self.stalled = False
        try:
            raw = self._open()
            self.step()
            with raw.cursor() as cursor:
                yield cursor
                self.step()
                if not self._autocommit:
                    if self.before_commit is not None:
                        self.before_commit(cursor)
                    raw.commit()
        except psycopg2.Error as error:
            self._recover(keep=not ends_session(error))
            raise translate(error) from error
        except BaseException:
            # Of the caller's own: a client that asks for what is not there costs no connection.
            self._recover(keep=True)
            raise
        finally:
            self._deadline = float("inf")

    def twin(self) -> Connection:
        """Open another connection to the same database, in autocommit."""
        return Connection(self._hosts, self._options, autocommit=True, name=self._name)

    def prepare(self, cursor: psycopg2.extensions.cursor, name: str, sql: str) -> None:
        """Prepare a statement for `EXECUTE name(…)`, once for each session of this connection."""
        if name not in self._prepared:
            cursor.execute(f"PREPARE {name} AS {sql}")
            self._prepared.add(name)

    def is_distributed(self) -> bool:
        """Return whether the tables lie on the nodes of a cluster, which is known once connected.

        Raises:
            StoreUnavailableError: there is no connection.
        """
        with self._use():
            return self.distributed

    def is_pooled(self) -> bool:
        """Return whether a pooler stands between, which is known once connected.

        Raises:
            StoreUnavailableError: there is no connection.
        """
        with self._use():
            return self.pooled

    def commit_token(self) -> str:
        """Return a position of the write-ahead log behind all that was committed here so far.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._use() as cursor:
            try:
                # Without a transaction around it this is one round trip.
                cursor.connection.autocommit = True
                cursor.execute("SELECT pg_current_wal_insert_lsn()")
                cursor.connection.autocommit = self._autocommit
            except BaseException:
                self.close()
                raise
            return f"{self.server.partition('/')[0]}:{fetch_one(cursor)[0]}"

    def step(self) -> None:
        """Say that the transaction makes progress: the stall timeout begins anew."""
        self._deadline = time.monotonic() + self._options.stall_timeout_s

    @property
    def backend_pid(self) -> int | None:
        """The server process of the connection, None while it is closed."""
        raw = self._raw
        return None if raw is None or raw.closed else self._backend_pid

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
            if self._turn == self._hosts.turn:
                return self._raw
            self.close()
        self._prepared.clear()
        try:
            raw, self._turn = self._hosts.reach(
                partial(session.start, name=self._name, timeout_s=self._options.connect_timeout_s)
            )
            self._raw = raw
            # The stall timeout runs from here: a pooler may let the first statement wait.
            self.step()
            self._set_up(raw)
        except psycopg2.Error as error:
            self.close()
            if meaning_of(error) is Meaning.REFUSED:
                raise UnusableDatabaseError(f"{error.pgcode}: {first_line(error)}") from error
            raise
        except BaseException:
            # A half-prepared connection would write without transactions.
            self.close()
            raise
        return raw

    def _set_up(self, raw: psycopg2.extensions.connection) -> None:
        session.settle(
            raw,
            self._hosts.url,
            lock_timeout_ms=self._options.lock_timeout_ms,
            idle_in_transaction_timeout_ms=self._options.idle_in_transaction_timeout_ms,
            statement_timeout_ms=int(_STATEMENT_STALLS * self._options.stall_timeout_s * 1000),
        )
        with raw.cursor() as cursor:
            cursor.execute(_WHICH_SERVER)
            self._backend_pid, self.server, self.distributed = fetch_one(cursor)
            if self.distributed:
                cursor.execute(_IS_DISTRIBUTED)
                (self.distributed,) = fetch_one(cursor)
            self.pooled = session.is_pooled(raw, self._backend_pid)
            if self.pooled:
                # Not every pooler cleans up behind the one who had this backend before.
                cursor.execute("DEALLOCATE ALL")
            if not self._autocommit:
                cursor.execute(_DURABLE)
        raw.autocommit = self._autocommit

    def _recover(self, *, keep: bool) -> None:
        """Roll back; close what cannot go on: left by the server, or in the middle of a COPY."""
        raw = self._raw
        if raw is None:
            return
        if not keep or raw.closed or raw.info.transaction_status == TRANSACTION_STATUS_ACTIVE:
            self.close()
            return
        self.step()
        try:
            raw.rollback()
        except psycopg2.Error as error:
            log.debug("rollback failed: %s", error)
        if raw.info.transaction_status != TRANSACTION_STATUS_IDLE:
            self.close()


def fetch_one(cursor: psycopg2.extensions.cursor) -> tuple[Any, ...]:
    """Return the row of a query that always has one."""
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  # the query always has one row
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
    """Do as `copy_out`, but hand on each row as it comes, while the server reads the next."""
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
        if meaning_of(error) is not Meaning.DAMAGED:
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT damage")
        damage.append(first_line(error))
    cursor.execute("RELEASE SAVEPOINT damage")
