"""The jobs in PostgreSQL: written as a list comes in, read while it is looked up. SQL alone.

Each function takes a connection and is one short transaction, so that any gateway can serve any
job. Never asks the index.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from event_store.database.connection import Connection, fetch_one
from rest_gateway.lists.block import PairError

# An unfinished list is removed this long after its last chunk.
RECEIVING_S_MAX = 3600
_REMOVED_AT_ONCE = 1000

_COLUMNS = (
    "job_id::text, owner, state, created, finished, expires, with_olt_result, pairs, pairs_done, "
    "found, chunks, errors, failure"
)


class JobRow(NamedTuple):
    """A job as it is now."""

    job_id: str
    owner: str
    state: str
    created: datetime.datetime
    finished: datetime.datetime | None
    expires: datetime.datetime
    with_olt_result: bool
    pairs: int
    pairs_done: int
    found: int
    chunks: int
    errors: list[dict[str, Any]]
    failure: str


class Load(NamedTuple):
    """What there is of jobs, over all gateways.

    Attributes:
        waiting, of_owner: jobs that are received or wait for answers: all, and of one owner.
        n_bytes: what all that are kept take.
    """

    waiting: int
    of_owner: int
    n_bytes: int


def load(connection: Connection, owner: str) -> Load:
    """Return what there is of jobs now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE waits), count(*) FILTER (WHERE waits AND owner = %s), "
            "COALESCE(sum(bytes), 0) FROM (SELECT owner, bytes, "
            "state IN ('receiving', 'queued') AND expires > now() AS waits FROM http_job) AS job",
            (owner,),
        )
        return Load(*map(int, fetch_one(cursor)))


def create(connection: Connection, *, owner: str, with_olt_result: bool) -> uuid.UUID:
    """Begin to receive a list; the job's id, which cannot be guessed."""
    job_id = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO http_job (job_id, owner, state, with_olt_result, expires) "
            "VALUES (%s, %s, 'receiving', %s, now() + make_interval(secs => %s))",
            (str(job_id), owner, with_olt_result, RECEIVING_S_MAX),
        )
    return job_id


def add_chunk(connection: Connection, job_id: uuid.UUID, chunk_no: int, request: bytes) -> int:
    """Store a part of the list, doing it twice is doing it once; what all jobs take now, bytes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO http_job_chunk (job_id, chunk_no, request) VALUES (%s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            (str(job_id), chunk_no, request),
        )
        cursor.execute(
            "UPDATE http_job SET bytes = bytes + %s, expires = now() + make_interval(secs => %s) "
            "WHERE job_id = %s",
            (len(request) * cursor.rowcount, RECEIVING_S_MAX, str(job_id)),
        )
        cursor.execute("SELECT sum(bytes) FROM http_job")
        return int(fetch_one(cursor)[0] or 0)


def enqueue(
    connection: Connection,
    job_id: uuid.UUID,
    *,
    pairs: int,
    chunks: int,
    errors: Sequence[PairError],
    lifetime_s: int,
) -> None:
    """Mark a list as complete: it now waits for its answers. An empty one is done."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE http_job SET state = CASE WHEN %(chunks)s = 0 THEN 'done' ELSE 'queued' END, "
            "finished = CASE WHEN %(chunks)s = 0 THEN now() END, "
            "pairs = %(pairs)s, chunks = %(chunks)s, errors = %(errors)s, "
            "bytes = bytes + octet_length(%(errors)s), "
            "expires = now() + make_interval(secs => %(lifetime)s) "
            "WHERE job_id = %(job)s AND state = 'receiving'",
            {
                "job": str(job_id),
                "pairs": pairs,
                "chunks": chunks,
                "errors": json.dumps(list(errors)),
                "lifetime": lifetime_s,
            },
        )


def find(connection: Connection, job_id: uuid.UUID) -> JobRow | None:
    """Return a job that was received and has not expired; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM http_job WHERE job_id = %s AND expires > now() "
            "AND state IN ('queued', 'done', 'failed')",
            (str(job_id),),
        )
        row = cursor.fetchone()
    return None if row is None else JobRow(*row)


def cancel(connection: Connection, job_id: uuid.UUID) -> bool:
    """Take a job away from its owner and from the gateways; whether there was one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE http_job SET state = 'cancelled', expires = now() "
            "WHERE job_id = %s AND state <> 'cancelled' AND expires > now()",
            (str(job_id),),
        )
        return cursor.rowcount > 0


def read_chunk(
    connection: Connection, job_id: uuid.UUID, chunk_no: int
) -> tuple[bytes, bytes] | None:
    """Return request and response of an answered chunk; None where the job is gone meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT request, response FROM http_job_chunk "
            "WHERE job_id = %s AND chunk_no = %s AND response IS NOT NULL",
            (str(job_id), chunk_no),
        )
        row = cursor.fetchone()
    return None if row is None else (bytes(row[0]), bytes(row[1]))


def remove_expired(connection: Connection) -> int:
    """Remove chunks of jobs that are over, up to 1,000, and jobs without any; how many.

    Chunks that another gateway works on are left for the next time.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM http_job_chunk WHERE (job_id, chunk_no) IN ("
            "SELECT job_id, chunk_no FROM http_job_chunk JOIN http_job USING (job_id) "
            "WHERE expires <= now() LIMIT %s FOR UPDATE OF http_job_chunk SKIP LOCKED)",
            (_REMOVED_AT_ONCE,),
        )
        removed = cursor.rowcount
        cursor.execute(
            "DELETE FROM http_job WHERE job_id IN ("
            "SELECT job_id FROM http_job WHERE expires <= now() AND NOT EXISTS ("
            "SELECT 1 FROM http_job_chunk WHERE http_job_chunk.job_id = http_job.job_id) "
            "LIMIT %s FOR UPDATE SKIP LOCKED)",
            (_REMOVED_AT_ONCE,),
        )
        return removed + cursor.rowcount
