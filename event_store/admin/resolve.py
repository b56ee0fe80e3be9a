"""Deciding a conflict: the stored value stays, or the offered one takes its place.

A replacement changes the page, the counts of both RAW files, the telescope's record and what the
event's other open conflicts are compared with, in one transaction that holds the run.
"""

from __future__ import annotations

import uuid

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.errors import NotFoundError, WrongStateError
from event_store.model import CosmicRecord, RawFile, unsigned
from event_store.pages.bounds import file_bounds
from event_store.pages.check import FileKey
from event_store.pages.copy import StoredPage
from event_store.pages.format import SLOT_BITS
from event_store.pages.removal import replace_event
from event_store.pages.store import read_pages, update_pages
from event_store.select.lists import CONFLICT_COLLECTION, CONFLICT_COLUMNS, ConflictRow
from event_store.telescope.records import replace_record
from event_store.write.catalogue import LockedRun, add_to_files, closed_datasets, lock_run
from event_store.write.new_counts import FileCount
from eventindex.told import told

_READ = (
    f"SELECT {CONFLICT_COLUMNS} FROM event_conflict p {CONFLICT_COLLECTION} WHERE conflict_id = %s"
)
# An offered record that was compared with the replaced one is compared with the new one.
_COMPARE_OTHERS = (
    "UPDATE event_conflict SET stored_fuid_raw = %(fuid)s, stored_dsid_raw = %(dsid)s, "
    "stored_olt_result = %(olt)s, stored_record = CASE "
    "WHEN offered_record IS NULL OR %(record)s::bytea IS NULL OR offered_dsid_raw <> %(dsid)s "
    "THEN stored_record WHEN offered_record <> %(record)s THEN %(record)s END "
    "WHERE run_number = %(run)s AND collection_id = %(collection)s "
    "AND event_number = %(event)s AND conflict_id <> %(id)s "
    "AND resolution = ''"
)
# What was offered is what is stored now, in these too.
_RESOLVE_EQUAL = (
    "UPDATE event_conflict SET resolution = 'replaced', resolved_by = %(by)s, resolved = now() "
    "WHERE run_number = %(run)s AND collection_id = %(collection)s "
    "AND event_number = %(event)s AND resolution = '' "
    "AND offered_fuid_raw = %(fuid)s AND offered_dsid_raw = %(dsid)s "
    "AND offered_olt_result = %(olt)s AND stored_record IS NULL"
)


def read_offer(connection: Connection, conflict_id: int) -> tuple[str, str]:
    """Return the offered telescope record of a conflict, "" without one, and its dataset's name.

    Raises:
        NotFoundError: there is no such conflict.
    """
    with connection.cursor() as cursor:
        conflict = _read(cursor, conflict_id)
        cursor.execute("SELECT name FROM dataset WHERE dsid_raw = %s", (conflict.offered_dsid_raw,))
        row = cursor.fetchone()
    return conflict.offered_record, "" if row is None else str(row[0])


def keep(connection: Connection, conflict_id: int, resolved_by: str) -> ConflictRow:
    """Leave the stored value; the conflict is resolved.

    Raises:
        NotFoundError: there is no such conflict.
        WrongStateError: it was resolved before.
    """
    with connection.cursor() as cursor:
        _lock_open(cursor, conflict_id)
        return _mark(cursor, conflict_id, "kept", resolved_by)


def replace(
    connection: Connection, conflict_id: int, resolved_by: str, record: CosmicRecord | None
) -> ConflictRow:
    """Store the offered value in place of the stored one.

    Args:
        connection: in a transaction at a time.
        conflict_id: the conflict.
        resolved_by: who decided.
        record: the conflict's offered telescope record, decoded, where it has one.

    Raises:
        NotFoundError: there is no such conflict.
        WrongStateError: it was resolved before, its event is gone, or the offered value is of
            another dataset that takes no events.
    """
    with connection.cursor() as cursor:
        # Before the run is held, as the writers do. What was offered never changes.
        closed = closed_datasets(cursor, [_read(cursor, conflict_id).offered_dsid_raw])
        conflict, run = _lock_open(cursor, conflict_id)
        file = RawFile(uuid.UUID(conflict.offered_fuid_raw), conflict.offered_dsid_raw)
        if closed and file.dsid != conflict.stored_dsid_raw:
            raise WrongStateError(
                told(
                    "OFFERED_DATASET_CLOSED",
                    "dataset dsid_raw={dataset} of the offered value is frozen or retired",
                    dataset=file.dsid,
                )
            )
        _replace_in_page(cursor, run, conflict, file)
        if record is not None:
            replace_record(cursor, run.run_number, conflict.event_number, record)
        resolved = _mark(cursor, conflict_id, "replaced", resolved_by)
        values = {
            "id": conflict_id,
            "by": resolved_by,
            "run": run.run_number,
            "collection": run.collection,
            "event": conflict.event_number,
            "fuid": conflict.offered_fuid_raw,
            "dsid": file.dsid,
            "olt": conflict.offered_olt_result,
            "record": None if record is None else record.canonical,
        }
        cursor.execute(_COMPARE_OTHERS, values)
        cursor.execute(_RESOLVE_EQUAL, values)
    return resolved


def _read(cursor: Cursor, conflict_id: int) -> ConflictRow:
    cursor.execute(_READ, (conflict_id,))
    row = cursor.fetchone()
    if row is None:
        raise NotFoundError(
            told("CONFLICT_NOT_FOUND", "conflict {id} is not in the index", id=conflict_id)
        )
    return ConflictRow.of(row)


def _lock_open(cursor: Cursor, conflict_id: int) -> tuple[ConflictRow, LockedRun]:
    """Hold the run of an open conflict: its events and conflicts change under this lock only."""
    found = _read(cursor, conflict_id)
    run = lock_run(cursor, found.run_number, found.collection)
    conflict = _read(cursor, conflict_id)
    if conflict.resolution:
        raise WrongStateError(
            told(
                "CONFLICT_RESOLVED",
                "conflict {id} is already resolved: {resolution} by {by}",
                id=conflict_id,
                resolution=conflict.resolution,
                by=conflict.resolved_by,
            )
        )
    return conflict, run


def _mark(cursor: Cursor, conflict_id: int, resolution: str, resolved_by: str) -> ConflictRow:
    cursor.execute(
        "UPDATE event_conflict SET resolution = %s, resolved_by = %s, resolved = now() "
        "WHERE conflict_id = %s",
        (resolution, resolved_by, conflict_id),
    )
    return _read(cursor, conflict_id)


def _replace_in_page(cursor: Cursor, run: LockedRun, conflict: ConflictRow, file: RawFile) -> None:
    page_no, event = conflict.event_number >> SLOT_BITS, conflict.event_number
    page = read_pages(cursor, run.run_number, [page_no], run.collection).get(page_no)
    olt = unsigned(conflict.offered_olt_result)
    replaced = None if page is None else replace_event(page, event, file, olt)
    if replaced is None:
        raise WrongStateError(
            told(
                "EVENT_GONE",
                "run {run} event {event} is not in the index any more",
                run=run.run_number,
                event=event,
            )
        )
    generation = run.generation + 1
    key = (run.run_number, run.collection)
    page = replaced.page
    update_pages(cursor, [StoredPage(run.run_number, page_no, generation, page, run.collection)])
    cursor.execute(
        "UPDATE run SET generation = %s WHERE run_number = %s AND collection_id = %s",
        (generation, *key),
    )
    if replaced.old_file != (file.fuid.bytes, file.dsid):
        new = FileCount(run.run_number, file.fuid.hex, file.dsid, 1, event, event)
        add_to_files(cursor, [new], run.collection)
        _take_from_file(cursor, run, replaced.old_file, event)


def _take_from_file(cursor: Cursor, run: LockedRun, file: FileKey, event: int) -> None:
    """Count one event less in a RAW file that the page does not name for it any more."""
    of_run = (run.run_number, run.collection)
    key = (*of_run, file[0].hex(), file[1])
    where = "WHERE run_number = %s AND collection_id = %s AND fuid_raw = %s::uuid AND dsid_raw = %s"
    cursor.execute(
        f"UPDATE raw_file SET n_events = n_events - 1 {where} "
        "RETURNING n_events, first_event, last_event",
        key,
    )
    row = cursor.fetchone()
    if row is None or row[0] <= 0:
        cursor.execute(f"DELETE FROM raw_file {where}", key)
        return
    _, first, last = row
    pages = first >> SLOT_BITS, last >> SLOT_BITS
    for column, bound in (("first_event", first), ("last_event", last)):
        if event == bound:
            found = file_bounds(cursor, of_run, [file], *pages, last=column == "last_event")
            cursor.execute(
                f"UPDATE raw_file SET {column} = %s {where}", (found.get(file, bound), *key)
            )
