"""Looks up the chunks of the jobs, one at a time, beside the workers of other gateways.

A chunk is taken, looked up and answered in one transaction that holds its row: nobody else takes
it meanwhile, and when this process dies PostgreSQL gives it back at once. So a chunk is answered
once, and nothing has to be remembered about who works on what.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import NamedTuple

import psycopg2.extensions

from event_store.database.connection import Connection
from event_store.errors import StoreError, StoreUnavailableError
from eventindex.errors import (
    AccessError,
    DeadlineError,
    EventIndexError,
    LimitError,
    UnavailableError,
)
from eventindex.lookup_messages import Response, decode
from rest_gateway.clients import JobServices
from rest_gateway.jobs import store
from rest_gateway.metrics import Metrics
from service_kit import calls

log = logging.getLogger(__name__)

# Shorter than the database's patience with a transaction that waits, and with a silent one.
_ANSWER_S_MAX = 10.0
_POLL_S = 1.0
_BACK_OFF_S = 2.0
_REMOVE_INTERVAL_S = 10.0
_PASSING = (UnavailableError, DeadlineError, LimitError, AccessError)


class _Chunk(NamedTuple):
    job_id: str
    chunk_no: int
    request: bytes


class JobWorker:
    """A thread that works as long as there are chunks, and looks for some once a second."""

    def __init__(
        self, connection: Connection, services: JobServices, lifetime_s: int, observer: Metrics
    ) -> None:
        self._connection = connection
        self._services = services
        self._lifetime_s = lifetime_s
        self._observer = observer
        self._stopping = False
        self._remove_at = 0.0
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for a job at once (any thread)."""
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """End behind the chunk in hand; it is given back where that takes too long."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout_s)

    def problem(self) -> str | None:
        """Return none until the thread has ended."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return "the thread that works on jobs has ended" if ended else None

    def _run(self) -> None:
        while not self._stopping:
            try:
                worked = self._answer_one()
                # Also while there is work: a full queue must not keep what is over.
                if time.monotonic() >= self._remove_at and not self._remove_expired():
                    self._remove_at = time.monotonic() + _REMOVE_INTERVAL_S
                pause_s = 0.0 if worked else _POLL_S
            except Exception as error:  # the thread goes on; the job waits
                known = isinstance(error, EventIndexError | StoreUnavailableError | StoreError)
                log.warning("jobs wait: %s", error, exc_info=not known)
                pause_s = _BACK_OFF_S
            if pause_s:
                self._wake.wait(pause_s)
                self._wake.clear()

    def _remove_expired(self) -> bool:
        """Remove some of what is over; whether there may be more of it."""
        return store.remove_expired(self._connection) > 0

    def _answer_one(self) -> bool:
        """Take a chunk and answer it; False where none waits.

        Raises:
            EventIndexError: the index is away; the chunk is given back.
            StoreUnavailableError: the database is.
        """
        with self._connection.cursor() as cursor:
            chunk = _take(cursor)
            if chunk is None:
                return False
            try:
                with calls.working_for(f"job:{chunk.job_id}"):
                    data = self._services.lookup_bytes(chunk.request, timeout=_ANSWER_S_MAX)
            except _PASSING:
                raise
            except EventIndexError:
                log.exception("job %s failed", chunk.job_id)
                self._fail(cursor, chunk)
                return True
            self._connection.step()
            response = decode(data)
            stored = self._store(cursor, chunk, data, response)
        if stored:
            self._observer.job_pairs(response.found, response.not_found)
        return True

    def _store(
        self, cursor: psycopg2.extensions.cursor, chunk: _Chunk, data: bytes, response: Response
    ) -> bool:
        """Keep an answer and count it; whether the job is still there."""
        cursor.execute(
            "UPDATE http_job_chunk SET response = %s WHERE job_id = %s AND chunk_no = %s",
            (data, chunk.job_id, chunk.chunk_no),
        )
        cursor.execute(
            "UPDATE http_job SET chunks_done = chunks_done + 1, found = found + %(found)s, "
            "bytes = bytes + %(bytes)s, "
            "pairs_done = pairs_done + %(pairs)s, "
            "state = CASE WHEN chunks_done + 1 = chunks THEN 'done' ELSE state END, "
            "finished = CASE WHEN chunks_done + 1 = chunks THEN now() END, "
            "expires = CASE WHEN chunks_done + 1 = chunks "
            "THEN now() + make_interval(secs => %(lifetime)s) ELSE expires END "
            "WHERE job_id = %(job)s AND state = 'queued'",
            {
                "job": chunk.job_id,
                "found": response.found,
                "bytes": len(data),
                "pairs": response.found + response.not_found,
                "lifetime": self._lifetime_s,
            },
        )
        return cursor.rowcount > 0

    def _fail(self, cursor: psycopg2.extensions.cursor, chunk: _Chunk) -> None:
        cursor.execute(
            "UPDATE http_job SET state = 'failed', finished = now(), "
            "failure = 'the index failed to answer a part of the list', "
            "expires = now() + make_interval(secs => %s) WHERE job_id = %s AND state = 'queued'",
            (self._lifetime_s, chunk.job_id),
        )


def _take(cursor: psycopg2.extensions.cursor) -> _Chunk | None:
    """Hold a chunk that nobody holds: the first one of each job in turn."""
    cursor.execute(
        "SELECT c.job_id::text, c.chunk_no, c.request "
        "FROM http_job_chunk AS c JOIN http_job AS j USING (job_id) "
        "WHERE c.response IS NULL AND j.state = 'queued' AND j.expires > now() "
        "ORDER BY c.chunk_no, c.job_id LIMIT 1 FOR UPDATE OF c SKIP LOCKED"
    )
    row = cursor.fetchone()
    return None if row is None else _Chunk(row[0], row[1], bytes(row[2]))
