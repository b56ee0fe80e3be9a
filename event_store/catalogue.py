"""The tables beside the pages: runs, RAW files, datasets, dead letters.

Statements on a cursor that somebody else opened; no transaction begins or ends here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from event_store.database import fetch_one
from event_store.errors import StoreUnavailableError
from event_store.merge import Columns, FileTable
from event_store.model import COSMIC_DSID_FIRST, NUMBER_MAX, DatasetState, DeadLetter, Int64

# Telescope datasets are numbered by one writer at a time.
_COSMIC_LOCK = 0x45764965
# Shared by all who write events; alone by who changed a dataset's state.
_WRITERS_LOCK = 0x45764966
_BACKSLASHED_NUL = "\\x00"


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row this transaction holds. No events: first and last are None."""

    run_number: int
    generation: int
    first_event: int | None
    last_event: int | None
    # Whether pages without events may lie outside of the first and last event.
    has_emptied_pages: bool


def lock_run(cursor: Cursor, run_number: int) -> LockedRun:
    """Hold the run's row until the end of the transaction: its writers take turns."""
    lock = (
        "SELECT run_number, generation, first_event, last_event, has_emptied_pages FROM run "
        f"WHERE run_number = {run_number:d} FOR UPDATE"
    )
    cursor.execute(lock)
    row = cursor.fetchone()
    if row is None:
        new = f"INSERT INTO run (run_number) VALUES ({run_number:d}) ON CONFLICT DO NOTHING"
        cursor.execute(f"{new};{lock}")
        row = fetch_one(cursor)
    return LockedRun(*row)


def add_to_run(cursor: Cursor, run: LockedRun, inserted: Sequence[Columns]) -> None:
    """Count new events in the run's row and raise its generation."""
    cursor.execute(
        "UPDATE run SET generation = %s, n_events = n_events + %s, "
        "first_event = least(first_event, %s), last_event = greatest(last_event, %s), "
        "last_seen = now() WHERE run_number = %s",
        (
            run.generation + 1,
            sum(map(len, inserted)),
            min(int(part.events[0]) for part in inserted),
            max(int(part.events[-1]) for part in inserted),
            run.run_number,
        ),
    )


def set_detector(cursor: Cursor, run_number: int, detector_id: str) -> None:
    """Note the first detector that sent events of the run."""
    cursor.execute(
        "UPDATE run SET detector_id = %s WHERE run_number = %s AND detector_id IS NULL",
        (detector_id, run_number),
    )


class FileCounts(NamedTuple):
    """Events by number of the file: how many, the first and the last; int64, of one shape."""

    events: Int64
    first: Int64
    last: Int64


def count_files(inserted: Columns, table_size: int) -> FileCounts:
    """Count the events of each file, numbered below `table_size`."""
    first = np.full(table_size, NUMBER_MAX)
    last = np.zeros(table_size, np.int64)
    # Of repeated indexes NumPy keeps the last assignment, and the events ascend.
    last[inserted.files] = inserted.events
    first[inserted.files[::-1]] = inserted.events[::-1]
    return FileCounts(np.bincount(inserted.files, minlength=table_size), first, last)


def add_to_files(
    cursor: Cursor, run_number: int, counted: Sequence[FileCounts], table: FileTable
) -> None:
    """Count new events in the rows of their RAW files."""
    counts = np.zeros(len(table), np.int64)
    first, last = np.full(len(table), NUMBER_MAX), np.zeros(len(table), np.int64)
    for part in counted:
        # The table may have grown since.
        here = slice(len(part.events))
        counts[here] += part.events
        first[here] = np.minimum(first[here], part.first)
        last[here] = np.maximum(last[here], part.last)
    used = np.flatnonzero(counts)
    fuids, dsids = table.arrays()
    cursor.execute(
        "INSERT INTO raw_file AS f (run_number, fuid_raw, dsid_raw, n_events, first_event, "
        "last_event) SELECT %s, * FROM unnest(%s::uuid[], %s::integer[], %s::bigint[], "
        "%s::bigint[], %s::bigint[]) ON CONFLICT (run_number, fuid_raw, dsid_raw) DO UPDATE SET "
        "n_events = f.n_events + excluded.n_events, "
        "first_event = least(f.first_event, excluded.first_event), "
        "last_event = greatest(f.last_event, excluded.last_event)",
        (
            run_number,
            [fuid.hex() for fuid in fuids[used].tolist()],
            dsids[used].tolist(),
            counts[used].tolist(),
            first[used].tolist(),
            last[used].tolist(),
        ),
    )


def closed_datasets(cursor: Cursor, dsids: Sequence[int]) -> frozenset[int]:
    """The datasets among these that take no new events until the transaction ends.

    Two statements in one round trip: the second one's snapshot is taken once the lock is held, so
    that `wait_for_writers` waits for everyone who may have read an older state.
    """
    cursor.execute(
        f"SELECT pg_advisory_xact_lock_shared({_WRITERS_LOCK});"
        "SELECT dsid_raw FROM dataset WHERE dsid_raw = ANY (%s) AND state <> 1",
        (list(dsids),),
    )
    return frozenset(dsid for (dsid,) in cursor.fetchall())


def wait_for_writers(cursor: Cursor) -> None:
    """Wait until every writer has ended that may know datasets by an older state.

    In a transaction of its own, after the one that changed the state: new writers wait meanwhile.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS_LOCK,))


def closed_states(cursor: Cursor) -> dict[int, DatasetState]:
    """The state of every dataset that takes no new events."""
    cursor.execute("SELECT dsid_raw, state FROM dataset WHERE state <> 1")
    return {dsid: DatasetState(state) for dsid, state in cursor.fetchall()}


def register_datasets(cursor: Cursor, dsids: Sequence[int]) -> None:
    """Register datasets that are seen for the first time as `dsid-<number>`.

    Should somebody have given that name to another dataset, a random ending keeps it apart.
    """
    for ending in ("", " || '-' || gen_random_uuid()"):
        cursor.execute(
            "INSERT INTO dataset (dsid_raw, name) "
            f"SELECT d, 'dsid-' || d{ending} FROM unnest(%s::integer[]) AS d "
            "WHERE NOT EXISTS (SELECT FROM dataset WHERE dsid_raw = d) "
            "ORDER BY d ON CONFLICT DO NOTHING",
            (list(dsids),),
        )


def number_cosmic_datasets(cursor: Cursor, names: Sequence[str]) -> dict[str, int]:
    """The number of each named dataset; a new one takes the first free number from 2³⁰ up.

    Raises:
        StoreUnavailableError: another writer took the number at the same moment; try again.
    """
    wanted = sorted(set(names))
    numbers = _dataset_numbers(cursor, wanted)
    missing = [name for name in wanted if name not in numbers]
    if not missing:
        return numbers
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_COSMIC_LOCK,))
    for name in missing:
        cursor.execute(
            "INSERT INTO dataset (dsid_raw, name) SELECT min(free.n), %s FROM ("
            "  SELECT %s AS n UNION ALL"
            "  SELECT dsid_raw + 1 FROM dataset WHERE dsid_raw >= %s AND dsid_raw < 2147483647"
            ") AS free WHERE NOT EXISTS (SELECT FROM dataset d WHERE d.dsid_raw = free.n) "
            "ON CONFLICT DO NOTHING",
            (name, COSMIC_DSID_FIRST, COSMIC_DSID_FIRST),
        )
    numbers = _dataset_numbers(cursor, wanted)
    if len(numbers) < len(wanted):
        # An event with that very number was registered in between.
        raise StoreUnavailableError("a free dataset number was taken meanwhile")
    return numbers


def _dataset_numbers(cursor: Cursor, names: Sequence[str]) -> dict[str, int]:
    cursor.execute("SELECT name, dsid_raw FROM dataset WHERE name = ANY (%s)", (list(names),))
    return dict(cursor.fetchall())


def insert_dead_letters(cursor: Cursor, letters: Sequence[DeadLetter]) -> None:
    """Store refused messages."""
    execute_values(
        cursor,
        "INSERT INTO dead_letter (topic, payload, truncated, reason, detail, source) VALUES %s",
        [
            (
                _text(letter.topic),
                letter.payload,
                letter.truncated,
                letter.reason,
                _text(letter.detail),
                _text(letter.source),
            )
            for letter in letters
        ],
        page_size=100,
    )


def fuid_text(fuid: bytes) -> str:
    """The canonical text of a RAW file id of 16 bytes."""
    digits = fuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _text(value: str) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogates."""
    clean = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return clean.replace("\0", _BACKSLASHED_NUL)
