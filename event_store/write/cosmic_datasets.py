"""The datasets of telescopes, and their collections: made at their first event.

A run that was begun before telescopes had collections goes on in the one that its dataset belongs
to. Statements on a cursor that somebody else opened; no transaction begins or ends here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.database.statements import pieces, text_bytes
from event_store.errors import StoreError, StoreUnavailableError
from event_store.model import COSMIC_DSID_FIRST, DSID_MAX
from event_store.telescope.names import cosmic_collection, telescope_of

# Telescope datasets are numbered by one writer at a time.
_COSMIC_LOCK = 0x45764965
# Collections are made by one caller at a time.
COLLECTIONS_LOCK = 0x45764968


class CosmicDataset(NamedTuple):
    """The number of a telescope's dataset, and of the collection that its events go into."""

    dsid: int
    collection: int


def number_cosmic_datasets(
    cursor: Cursor, names: Sequence[str], collections_max: int
) -> dict[str, CosmicDataset]:
    """Return each named dataset; new ones take the lowest free numbers from 2³⁰ up.

    A name is left out where its detector has no collection yet, and no more may be made.

    Raises:
        StoreUnavailableError: another writer took a number at the same moment; try again.
        StoreError: no number is free.
    """
    wanted = sorted(set(names))
    found = _known(cursor, wanted)
    if len(found) == len(wanted):
        return found
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_COSMIC_LOCK,))
    # Another writer may have named some of them before it let go of the lock.
    found = _known(cursor, wanted)
    of_name = {name: _collection_name(name) for name in wanted if name not in found}
    collections = _collections(cursor, sorted(set(of_name.values())), collections_max)
    missing = [(name, collections[own]) for name, own in of_name.items() if own in collections]
    free = _free_numbers(cursor, len(missing))
    new = [(number, *one) for number, one in zip(free, missing, strict=True)]
    for piece in pieces(new, lambda row: 16 + text_bytes(row[1])):
        cursor.execute(
            "INSERT INTO dataset (dsid_raw, name, collection_id) "
            "SELECT * FROM unnest(%s::integer[], %s::text[], %s::integer[]) "
            "ON CONFLICT DO NOTHING RETURNING name, dsid_raw, collection_id",
            [list(column) for column in zip(*piece, strict=True)],
        )
        found.update(_by_name(cursor))
    if any(name not in found for name, _ in missing):
        # An event with that very number was registered in between.
        raise StoreUnavailableError("a free dataset number was taken meanwhile")
    return found


def _collection_name(dataset: str) -> str:
    telescope = telescope_of(dataset)
    if telescope is None:
        raise StoreError(f"{dataset!r} is not a telescope's dataset")
    return cosmic_collection(telescope.detector_id)


def _collections(cursor: Cursor, names: Sequence[str], collections_max: int) -> dict[str, int]:
    """Return the numbers of collections; those that are new are made as long as there is room."""
    found = _held(cursor, names)
    if len(found) == len(names):
        return found
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (COLLECTIONS_LOCK,))
    cursor.execute("SELECT count(*) FROM collection")
    room = max(0, collections_max - fetch_one(cursor)[0])
    new = [name for name in names if name not in found][:room]
    for piece in pieces(new, text_bytes):
        cursor.execute(
            "INSERT INTO collection (name) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING "
            "RETURNING name, collection_id",
            (list(piece),),
        )
        found.update(cursor.fetchall())
    return found


def _held(cursor: Cursor, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of collections that are there, and stay until the transaction ends."""
    numbers: dict[str, int] = {}
    for piece in pieces(names, text_bytes):
        cursor.execute(
            "SELECT name, collection_id FROM collection WHERE name = ANY (%s) "
            "ORDER BY collection_id FOR KEY SHARE",
            (list(piece),),
        )
        numbers.update(cursor.fetchall())
    return numbers


def _known(cursor: Cursor, names: Sequence[str]) -> dict[str, CosmicDataset]:
    found: dict[str, CosmicDataset] = {}
    for piece in pieces(names, text_bytes):
        cursor.execute(
            "SELECT name, dsid_raw, collection_id FROM dataset WHERE name = ANY (%s)", (piece,)
        )
        found.update(_by_name(cursor))
    return found


def _by_name(cursor: Cursor) -> dict[str, CosmicDataset]:
    return {name: CosmicDataset(*numbers) for name, *numbers in cursor.fetchall()}


def _free_numbers(cursor: Cursor, count: int) -> list[int]:
    """Return the lowest `count` dataset numbers from 2³⁰ on that nothing has.

    Among `count` numbers more than are taken there are so many.
    """
    if not count:
        return []
    cursor.execute(
        "SELECT n FROM generate_series(%(first)s::bigint, "
        "least(%(last)s, %(first)s + %(count)s - 1 + (SELECT count(*) FROM dataset "
        "WHERE dsid_raw >= %(first)s))) AS n WHERE NOT EXISTS (SELECT 1 FROM dataset d "
        "WHERE d.dsid_raw = n) ORDER BY n LIMIT %(count)s",
        {"first": COSMIC_DSID_FIRST, "last": DSID_MAX, "count": count},
    )
    free = [number for (number,) in cursor.fetchall()]
    if len(free) < count:
        raise StoreError(
            f"no number from {COSMIC_DSID_FIRST} to {DSID_MAX} is free for a telescope's dataset"
        )
    return free
