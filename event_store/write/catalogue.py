"""The tables beside the pages: runs, RAW files, datasets.

Statements on a cursor that somebody else opened; no transaction begins or ends here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.database.statements import number_pieces, pieces, text_bytes
from event_store.errors import StoreUnavailableError
from event_store.model import DatasetState, Outcome
from event_store.write.new_counts import FileCount, RunCount

# Writers of events hold it shared; a change of a dataset's state waits until it has it alone.
_WRITERS_LOCK = 0x45764966


@dataclass(frozen=True, slots=True)
class LockedRun:
    """A run whose row this transaction holds. No events: first and last are None."""

    run_number: int
    collection: int
    generation: int
    first_event: int | None
    last_event: int | None
    # Whether pages without events may lie outside of the first and last event.
    has_emptied_pages: bool


_LOCKED = (
    "SELECT run_number, collection_id, generation, first_event, last_event, has_emptied_pages "
    "FROM run"
)


def lock_run(cursor: Cursor, run_number: int, collection: int) -> LockedRun:
    """Hold the run's row until the end of the transaction: its writers take turns."""
    lock = (
        f"{_LOCKED} WHERE run_number = {run_number:d} AND collection_id = {collection:d} FOR UPDATE"
    )
    cursor.execute(lock)
    row = cursor.fetchone()
    if row is None:
        values = f"({run_number:d}, {collection:d})"
        new = f"INSERT INTO run (run_number, collection_id) VALUES {values} ON CONFLICT DO NOTHING"
        cursor.execute(f"{new};{lock}")
        row = fetch_one(cursor)
    return LockedRun(*row)


def lock_runs(cursor: Cursor, run_numbers: Sequence[int], collection: int) -> list[LockedRun]:
    """Hold the rows of runs, which ascend, until the end of the transaction; as `lock_run`.

    The insert takes its rows in their order, and locks those that are there without a new version.
    """
    if len(run_numbers) == 1:
        return [lock_run(cursor, run_numbers[0], collection)]
    numbers = ",".join(f"{number:d}" for number in run_numbers)
    rows = ",".join(f"({number:d},{collection:d})" for number in run_numbers)
    cursor.execute(
        f"INSERT INTO run AS r (run_number, collection_id) VALUES {rows} "
        "ON CONFLICT (run_number, collection_id) DO UPDATE SET generation = r.generation "
        f"WHERE false; {_LOCKED} WHERE run_number IN ({numbers}) AND collection_id = {collection:d}"
    )
    locked = {row[0]: LockedRun(*row) for row in cursor.fetchall()}
    return [locked[number] for number in run_numbers]


def add_to_runs(cursor: Cursor, counts: Sequence[RunCount], collection: int) -> None:
    """Count new events in the rows of runs that the transaction holds; raise their generations."""
    change = (
        "UPDATE run AS r SET generation = r.generation + 1, n_events = r.n_events + {1}, "
        "first_event = least(r.first_event, {2}), last_event = greatest(r.last_event, {3}), "
        "last_seen = now() {from_} WHERE r.run_number = {0} "
        f"AND r.collection_id = {collection:d}"
    )
    if len(counts) == 1:
        cursor.execute(change.format(*(f"{value:d}" for value in counts[0]), from_=""))
        return
    new = ("new.run", "new.events", "new.first", "new.last")
    from_ = (
        "FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) "
        "AS new (run, events, first, last)"
    )
    cursor.execute(
        change.format(*new, from_=from_), [list(column) for column in zip(*counts, strict=True)]
    )


def set_detectors(
    cursor: Cursor, detectors: Mapping[int, str], collection: int, step: Callable[[], None]
) -> None:
    """Note the first detector that sent events of each run; the transaction holds the runs."""
    for piece in pieces(detectors.items(), lambda item: 20 + text_bytes(item[1])):
        if len(piece) == 1:
            cursor.execute(
                "UPDATE run SET detector_id = %s WHERE run_number = %s "
                f"AND collection_id = {collection:d} AND detector_id IS NULL",
                piece[0][::-1],
            )
            continue
        cursor.execute(
            "UPDATE run AS r SET detector_id = new.detector_id "
            "FROM unnest(%s::bigint[], %s::text[]) AS new (run, detector_id) "
            f"WHERE r.run_number = new.run AND r.collection_id = {collection:d} "
            "AND r.detector_id IS NULL",
            [list(column) for column in zip(*piece, strict=True)],
        )
        step()


def add_to_files(
    cursor: Cursor,
    counts: Sequence[FileCount],
    collection: int,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Count new events in the rows of their RAW files; `step` after each statement."""
    for piece in number_pieces(counts):
        # As text: rows of VALUES go to the shard of their run, those of a query to nobody's.
        rows = ",".join(
            f"({collection:d},{one[0]:d},'{one[1]}',{','.join(f'{value:d}' for value in one[2:])})"
            for one in piece
        )
        cursor.execute(
            "INSERT INTO raw_file AS f (collection_id, run_number, fuid_raw, dsid_raw, n_events, "
            f"first_event, last_event) VALUES {rows} "
            "ON CONFLICT (run_number, collection_id, fuid_raw, dsid_raw) DO UPDATE SET "
            "n_events = f.n_events + excluded.n_events, "
            "first_event = least(f.first_event, excluded.first_event), "
            "last_event = greatest(f.last_event, excluded.last_event)"
        )
        step()


def closed_datasets(cursor: Cursor, dsids: Sequence[int]) -> frozenset[int]:
    """Return the datasets among these that take no new events until the transaction ends.

    Two statements in one round trip: the second one's snapshot is taken once the lock is held, so
    that `wait_for_writers` waits for everyone who may have read an older state.
    """
    cursor.execute(
        f"SELECT pg_advisory_xact_lock_shared({_WRITERS_LOCK});"
        "SELECT dsid_raw FROM dataset WHERE dsid_raw = ANY (%s) AND state <> 1",
        (list(dsids),),
    )
    return frozenset(dsid for (dsid,) in cursor.fetchall())


class ForgottenError(StoreUnavailableError):
    """A dataset or the collection was removed since it was looked up: look again."""


def refused_datasets(
    cursor: Cursor, dsids: Sequence[int], collection: int
) -> tuple[dict[int, Outcome], bool]:
    """Return which of these datasets take no new events of a collection until the transaction ends.

    As `closed_datasets`, in one round trip.

    Returns:
        Why, by dataset; and whether the collection itself is closed.

    Raises:
        ForgottenError: one of them is not registered, or the collection is not there.
    """
    cursor.execute(
        f"SELECT pg_advisory_xact_lock_shared({_WRITERS_LOCK});"
        "SELECT asked.dsid, d.state, d.collection_id FROM unnest(%s::integer[]) AS asked (dsid) "
        "LEFT JOIN dataset d ON d.dsid_raw = asked.dsid "
        f"WHERE d.state IS DISTINCT FROM 1 OR d.collection_id <> {collection:d} "
        "UNION ALL SELECT -1, max(state), -1 FROM collection "
        f"WHERE collection_id = {collection:d} HAVING max(state) IS DISTINCT FROM 1",
        (list(dsids),),
    )
    refused: dict[int, Outcome] = {}
    closed = False
    for dsid, state, of_collection in cursor.fetchall():
        if state is None:
            raise ForgottenError("a dataset or collection was removed meanwhile")
        if of_collection == -1:
            closed = True
        elif of_collection != collection:
            refused[dsid] = Outcome.OTHER_COLLECTION
        else:
            refused[dsid] = Outcome.CLOSED_DATASET
    return refused, closed


def wait_for_writers(cursor: Cursor) -> None:
    """Wait until every writer has ended that may know datasets by an older state.

    In a transaction of its own, after the one that changed the state: new writers wait meanwhile.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS_LOCK,))


def closed_states(cursor: Cursor) -> dict[int, DatasetState]:
    """Return the state of every dataset that takes no new events."""
    cursor.execute("SELECT dsid_raw, state FROM dataset WHERE state <> 1")
    return {dsid: DatasetState(state) for dsid, state in cursor.fetchall()}


def register_datasets(cursor: Cursor, dsids: Sequence[int], collection: int) -> None:
    """Register datasets that are seen for the first time as `dsid-<number>`, in a collection.

    Should somebody have given that name to another dataset, a random ending keeps it apart.
    """
    for piece in number_pieces(dsids):
        for ending in ("", " || '-' || gen_random_uuid()"):
            cursor.execute(
                "INSERT INTO dataset (dsid_raw, collection_id, name) "
                f"SELECT d, {collection:d}, 'dsid-' || d{ending} FROM unnest(%s::integer[]) AS d "
                "WHERE NOT EXISTS (SELECT 1 FROM dataset WHERE dsid_raw = d) "
                "ORDER BY d ON CONFLICT DO NOTHING",
                (list(piece),),
            )
