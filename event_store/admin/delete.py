"""A dataset's events out of the index, in bounded transactions that leave everything exact.

Each transaction holds one run and takes the events out of its next pages, the counts of the run
and of its RAW files with them. So a deletion can end anywhere and be begun again. The dataset's
own row stays, closed: an event that is sent again late is refused and does not come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection, fetch_one
from event_store.database.statements import number_pieces
from event_store.errors import NotFoundError, WrongStateError
from event_store.model import DatasetState, Int64
from event_store.pages.bounds import file_bounds, run_bound
from event_store.pages.check import FileKey
from event_store.pages.copy import StoredPage
from event_store.pages.format import SLOT_BITS, SLOT_MASK
from event_store.pages.removal import Removed, remove_dataset
from event_store.pages.store import read_pages, update_pages
from event_store.telescope.names import Telescope, telescope_of
from event_store.write.catalogue import LockedRun, lock_run, wait_for_writers
from eventindex.told import told

# A transaction takes so many events at most: 64 pages are 524,288.
PAGES_PER_TRANSACTION_MAX = 64
RECORDS_PER_TRANSACTION_MAX = 50_000


class Deletion(NamedTuple):
    """What there is to delete: the runs of a dataset, ascending, and its events in all of them."""

    dsid: int
    collection: int
    runs: Sequence[int]
    events: int
    telescope: Telescope | None


def begin(connection: Connection, dsid: int) -> Deletion:
    """Find what there is to delete, once no writer can add to it any more.

    Raises:
        NotFoundError: there is no such dataset.
        WrongStateError: it is open.
    """
    with connection.cursor() as cursor:
        name, collection = _closed_dataset(cursor, dsid)
    with connection.cursor() as cursor:
        wait_for_writers(cursor)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT run_number, sum(n_events)::bigint FROM raw_file WHERE dsid_raw = %s "
            "GROUP BY run_number ORDER BY run_number",
            (dsid,),
        )
        rows = cursor.fetchall()
    events = sum(n for _, n in rows)
    return Deletion(dsid, collection, [run for run, _ in rows], events, telescope_of(name))


def delete_some(connection: Connection, deletion: Deletion, run_number: int) -> int:
    """Take the dataset's events out of the next pages of a run, in one transaction.

    Returns:
        How many events went; 0 when the run holds no more of them.

    Raises:
        WrongStateError: the dataset was opened meanwhile.
        CorruptPageError: a page contradicts itself; nothing of this transaction is stored.
    """
    with connection.cursor() as cursor:
        _closed_dataset(cursor, deletion.dsid)
        run = lock_run(cursor, run_number, deletion.collection)
        page_nos = _next_pages(cursor, run, deletion.dsid)
        if not page_nos:
            return 0
        pages = read_pages(cursor, run_number, page_nos, run.collection)
        removed = {no: remove_dataset(no, pages[no], deletion.dsid) for no in page_nos}
        connection.step()
        generation = run.generation + 1
        update_pages(
            cursor,
            (
                StoredPage(run_number, no, generation, r.page, run.collection)
                for no, r in removed.items()
            ),
        )
        connection.step()
        _count_files(cursor, run, deletion.dsid, removed)
        events = np.concatenate([part.events for part in removed.values()])
        _count_run(cursor, run, removed, len(events))
        _forget_conflicts(cursor, run, events)
        if deletion.telescope is not None and deletion.telescope.run_number == run_number:
            detector = deletion.telescope.detector_id
            forget_records(cursor, run_number, detector, page_nos[0], page_nos[-1])
    return len(events)


def delete_records(connection: Connection, deletion: Deletion) -> int:
    """Remove telescope records that the index held another detector's event for; 0 at the end."""
    if deletion.telescope is None:
        return 0
    detector, run = deletion.telescope
    with connection.cursor() as cursor:
        _closed_dataset(cursor, deletion.dsid)
        cursor.execute(
            "DELETE FROM cosmic_event WHERE run_number = %s AND detector_id = %s "
            "AND event_number IN (SELECT event_number FROM cosmic_event WHERE run_number = %s "
            "AND detector_id = %s ORDER BY event_number LIMIT %s)",
            (run, detector, run, detector, RECORDS_PER_TRANSACTION_MAX),
        )
        return int(cursor.rowcount)


def events_left(connection: Connection, dsid: int) -> int:
    """Return the events that a dataset has now: 0 after a deletion, whoever else deletes it too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n_events), 0)::bigint FROM raw_file WHERE dsid_raw = %s", (dsid,)
        )
        return int(fetch_one(cursor)[0])


def _closed_dataset(cursor: Cursor, dsid: int) -> tuple[str, int]:
    """Return the name and collection of a dataset that stays closed during the transaction."""
    cursor.execute(
        "SELECT name, state, collection_id FROM dataset WHERE dsid_raw = %s FOR SHARE", (dsid,)
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFoundError(
            told(
                "DATASET_NOT_FOUND", "dataset dsid_raw={dataset} is not in the index", dataset=dsid
            )
        )
    if row[1] == DatasetState.OPEN:
        raise WrongStateError(
            told(
                "DATASET_OPEN",
                "dataset dsid_raw={dataset} is open: freeze or retire it before deleting "
                "its events",
                dataset=dsid,
            )
        )
    return str(row[0]), int(row[2])


def _next_pages(cursor: Cursor, run: LockedRun, dsid: int) -> list[int]:
    key = (run.run_number, run.collection)
    cursor.execute(
        "SELECT page_no FROM event_page p, (SELECT min(first_event) >> %s AS first, "
        "max(last_event) >> %s AS last FROM raw_file WHERE run_number = %s AND collection_id = %s "
        "AND dsid_raw = %s) f WHERE run_number = %s AND collection_id = %s "
        "AND page_no BETWEEN f.first AND f.last AND %s = ANY (dsids) "
        "ORDER BY page_no LIMIT %s",
        (SLOT_BITS, SLOT_BITS, *key, dsid, *key, dsid, PAGES_PER_TRANSACTION_MAX),
    )
    return [page_no for (page_no,) in cursor.fetchall()]


def _count_files(cursor: Cursor, run: LockedRun, dsid: int, removed: dict[int, Removed]) -> None:
    """Subtract the removed events; a file without events in the run has no row."""
    key = (run.run_number, run.collection)
    counts: Counter[bytes] = Counter()
    for part in removed.values():
        counts.update(part.files)
    left: dict[FileKey, int] = {}
    for piece in number_pieces(list(counts.items())):
        cursor.execute(
            "UPDATE raw_file f SET n_events = f.n_events - r.n "
            "FROM unnest(%s::uuid[], %s::bigint[]) AS r (fuid, n) "
            "WHERE f.run_number = %s AND f.collection_id = %s AND f.dsid_raw = %s "
            "AND f.fuid_raw = r.fuid "
            "RETURNING f.fuid_raw::text, f.n_events, f.last_event",
            ([fuid.hex() for fuid, _ in piece], [n for _, n in piece], *key, dsid),
        )
        left |= {
            (bytes.fromhex(fuid.replace("-", "")), dsid): last
            for fuid, n, last in cursor.fetchall()
            if n > 0
        }
    cursor.execute(
        "DELETE FROM raw_file WHERE run_number = %s AND collection_id = %s AND dsid_raw = %s "
        "AND n_events <= 0",
        (*key, dsid),
    )
    if not left:
        return
    # Pages go in ascending order: what is left of a file lies behind them, up to its last event.
    behind, last_page = max(removed) + 1, max(left.values()) >> SLOT_BITS
    firsts = file_bounds(cursor, key, left, behind, last_page, last=False)
    for ends in number_pieces(list(firsts.items())):
        cursor.execute(
            "UPDATE raw_file f SET first_event = r.first "
            "FROM unnest(%s::uuid[], %s::bigint[]) AS r (fuid, first) "
            "WHERE f.run_number = %s AND f.collection_id = %s AND f.dsid_raw = %s "
            "AND f.fuid_raw = r.fuid",
            (
                [fuid.hex() for (fuid, _), _ in ends],
                [first for _, first in ends],
                *key,
                dsid,
            ),
        )


def _count_run(cursor: Cursor, run: LockedRun, removed: dict[int, Removed], events: int) -> None:
    first, last = run.first_event, run.last_event
    if first is not None and last is not None:
        pages = first >> SLOT_BITS, last >> SLOT_BITS
        first = run_bound(cursor, run.run_number, run.collection, *pages, last=False)
        last = run_bound(cursor, run.run_number, run.collection, *pages, last=True)
    emptied = any(part.page.n_events == 0 for part in removed.values())
    cursor.execute(
        "UPDATE run SET generation = %s, n_events = n_events - %s, first_event = %s, "
        "last_event = %s, has_emptied_pages = has_emptied_pages OR %s "
        "WHERE run_number = %s AND collection_id = %s",
        (run.generation + 1, events, first, last, emptied, run.run_number, run.collection),
    )


def _forget_conflicts(cursor: Cursor, run: LockedRun, events: Int64) -> None:
    """Delete the conflicts of deleted events: a conflict is about a stored event."""
    if not len(events):
        return
    key = (run.run_number, run.collection)
    cursor.execute(
        "SELECT DISTINCT event_number FROM event_conflict "
        "WHERE run_number = %s AND collection_id = %s AND event_number BETWEEN %s AND %s",
        (*key, int(events[0]), int(events[-1])),
    )
    known = np.array([event for (event,) in cursor.fetchall()], np.int64)
    for gone in number_pieces(known[np.isin(known, events)].tolist()):
        cursor.execute(
            "DELETE FROM event_conflict WHERE run_number = %s AND collection_id = %s "
            "AND event_number = ANY (%s)",
            (*key, list(gone)),
        )


def forget_records(
    cursor: Cursor, run_number: int, detector_id: str, page_first: int, page_last: int
) -> None:
    """Delete the records of a telescope's events in some pages of a run."""
    cursor.execute(
        "DELETE FROM cosmic_event WHERE run_number = %s AND detector_id = %s "
        "AND event_number BETWEEN %s AND %s",
        (run_number, detector_id, page_first << SLOT_BITS, (page_last << SLOT_BITS) | SLOT_MASK),
    )
