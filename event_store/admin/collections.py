"""Collections made, changed and deleted by hand.

A deletion takes whole pages out of one run in a bounded transaction at a time, so that it can end
anywhere and be begun again. The number of a collection is never given again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.admin.delete import forget_records
from event_store.database.connection import Connection, fetch_one
from event_store.errors import NameTakenError, WrongStateError
from event_store.model import RAW, DatasetState
from event_store.select.collections import (
    CollectionRow,
    collection_number,
    get_collection,
)
from event_store.telescope.names import detector_of_collection
from event_store.write.catalogue import lock_run, wait_for_writers
from event_store.write.cosmic_datasets import COLLECTIONS_LOCK
from eventindex.told import told

PAGES_PER_TRANSACTION_MAX = 512
# With them go the records of their events.
TELESCOPE_PAGES_PER_TRANSACTION_MAX = 64


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """What to change of a collection; None leaves a value as it is."""

    name: str
    state: DatasetState | None = None
    comment: str | None = None


class CollectionDeletion(NamedTuple):
    """A collection that is being deleted, its events when that began, and whose it is.

    `detector_id` is "" where it is no telescope's.
    """

    collection: int
    events: int
    detector_id: str


def create(
    connection: Connection, name: str, made_from: str, comment: str, collections_max: int
) -> CollectionRow:
    """Make a collection.

    Raises:
        NameTakenError: there is one of this name.
        UnknownCollectionError: there is none that it could be made from.
        WrongStateError: there are as many as there may be.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (COLLECTIONS_LOCK,))
        source = collection_number(cursor, made_from) if made_from else None
        cursor.execute("SELECT count(*) FROM collection")
        if fetch_one(cursor)[0] >= collections_max:
            raise WrongStateError(
                told(
                    "TOO_MANY_COLLECTIONS",
                    "there are {limit} collections, the limit (EVENTINDEX_COLLECTIONS_MAX): "
                    "delete one first",
                    limit=collections_max,
                )
            )
        cursor.execute(
            "INSERT INTO collection (name, made_from, comment) VALUES (%s, %s, %s) "
            "ON CONFLICT (name) DO NOTHING RETURNING collection_id",
            (name, source, comment),
        )
        row = cursor.fetchone()
        if row is None:
            raise NameTakenError(
                told(
                    "NAME_OF_COLLECTION", "name={name} is the name of a collection", name=repr(name)
                )
            )
        return get_collection(cursor, row[0])


def update(connection: Connection, change: CollectionChange) -> CollectionRow:
    """Change a collection. When this returns no writer adds events by an older state any more.

    Raises:
        UnknownCollectionError: there is none of this name.
        StoreUnavailableError: a writer did not end in time; the change is stored, ask again.
    """
    state = None if change.state is None else int(change.state)
    with connection.cursor() as cursor:
        number = collection_number(cursor, change.name)
        cursor.execute(
            "UPDATE collection SET state = coalesce(%s, state), comment = coalesce(%s, comment) "
            "WHERE collection_id = %s",
            (state, change.comment, number),
        )
        row = get_collection(cursor, number)
    if state is not None:
        with connection.cursor() as cursor:
            wait_for_writers(cursor)
    return row


def begin_delete(connection: Connection, name: str) -> CollectionDeletion:
    """Find what there is to delete, once no writer can add to it any more.

    Raises:
        UnknownCollectionError: there is none of this name.
        WrongStateError: it is 'raw', it is open, or others are made from it.
    """
    with connection.cursor() as cursor:
        number = collection_number(cursor, name)
        if number == RAW:
            raise WrongStateError(
                told(
                    "COLLECTION_STAYS",
                    "collection {name} is always there and cannot be deleted",
                    name=repr(name),
                )
            )
        _closed(cursor, number)
    with connection.cursor() as cursor:
        wait_for_writers(cursor)
    with connection.cursor() as cursor:
        events = get_collection(cursor, number).n_events
    return CollectionDeletion(number, events, detector_of_collection(name))


def delete_some(connection: Connection, deletion: CollectionDeletion) -> int:
    """Delete the next pages of a run, in one transaction; with its last ones all that is of it.

    Returns:
        How many rows went: 0 when the collection holds no run any more.

    Raises:
        WrongStateError: the collection was opened meanwhile.
    """
    number = deletion.collection
    with connection.cursor() as cursor:
        _closed(cursor, number)
        cursor.execute(
            "SELECT run_number FROM run WHERE collection_id = %s AND collection_id <> 0 "
            "ORDER BY run_number LIMIT 1",
            (number,),
        )
        row = cursor.fetchone()
        if row is None:
            return 0
        key = (row[0], number)
        run = lock_run(cursor, *key)
        pages_max = (
            TELESCOPE_PAGES_PER_TRANSACTION_MAX
            if deletion.detector_id
            else PAGES_PER_TRANSACTION_MAX
        )
        cursor.execute(
            "WITH gone AS (DELETE FROM event_page WHERE run_number = %s AND collection_id = %s "
            "AND page_no IN (SELECT page_no FROM event_page WHERE run_number = %s "
            "AND collection_id = %s ORDER BY page_no LIMIT %s) RETURNING n_events, page_no) "
            "SELECT count(*), coalesce(sum(n_events), 0)::bigint, min(page_no), max(page_no) "
            "FROM gone",
            (*key, *key, pages_max),
        )
        pages, events, first, last = fetch_one(cursor)
        if deletion.detector_id and pages:
            forget_records(cursor, key[0], deletion.detector_id, first, last)
        if pages == pages_max:
            # Its first event lies behind what went: the next transaction goes on there.
            cursor.execute(
                "UPDATE run SET generation = %s, n_events = n_events - %s, "
                "has_emptied_pages = true WHERE run_number = %s AND collection_id = %s",
                (run.generation + 1, events, *key),
            )
            return int(pages)
        for table in ("raw_file", "event_conflict", "run"):
            cursor.execute(f"DELETE FROM {table} WHERE run_number = %s AND collection_id = %s", key)
    return 1 + int(pages)


def events_left(connection: Connection, deletion: CollectionDeletion) -> int:
    """Return the events that a collection has now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n_events), 0)::bigint FROM run WHERE collection_id = %s",
            (deletion.collection,),
        )
        return int(fetch_one(cursor)[0])


def end_delete(connection: Connection, deletion: CollectionDeletion) -> None:
    """Remove the collection and its datasets, once it holds nothing any more."""
    with connection.cursor() as cursor:
        _closed(cursor, deletion.collection)
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM run WHERE collection_id = %s)", (deletion.collection,)
        )
        if fetch_one(cursor)[0]:
            raise WrongStateError(
                told("COLLECTION_GREW", "the collection took events meanwhile: delete it again")
            )
        cursor.execute("DELETE FROM dataset WHERE collection_id = %s", (deletion.collection,))
        cursor.execute("UPDATE dataset_version SET version = version + 1")
        cursor.execute("DELETE FROM collection WHERE collection_id = %s", (deletion.collection,))


def _closed(cursor: Cursor, number: int) -> None:
    """See that a collection takes no events, and none until the end of the transaction."""
    cursor.execute(
        "SELECT name, state FROM collection WHERE collection_id = %s FOR UPDATE", (number,)
    )
    row = cursor.fetchone()
    if row is not None and row[1] == DatasetState.OPEN:
        raise WrongStateError(
            told(
                "COLLECTION_OPEN",
                "collection {collection} is open: freeze or retire it first",
                collection=repr(row[0]),
            )
        )
    cursor.execute("SELECT name FROM collection WHERE made_from = %s LIMIT 1", (number,))
    other = cursor.fetchone()
    if row is not None and other is not None:
        raise WrongStateError(
            told(
                "COLLECTION_MADE_FROM",
                "collection {other} is made from {collection}: delete it first",
                other=repr(other[0]),
                collection=repr(row[0]),
            )
        )
