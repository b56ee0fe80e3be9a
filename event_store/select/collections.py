"""Collections by their names, and what they hold. Never writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.errors import UnknownCollectionError
from event_store.model import RAW, RAW_NAME
from event_store.telescope.names import PREFIX, detector_of_collection
from eventindex.told import told

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection; `state` is the number of a DatasetState, `made_from` "" where it is not known.

    `n_events`, `n_runs` are sums over its runs.
    """

    collection_id: int
    name: str
    made_from: str
    state: int
    comment: str
    created: datetime
    n_events: int
    n_runs: int


def is_name(name: str) -> bool:
    """Return whether somebody may give a collection this name."""
    return _NAME.fullmatch(name) is not None and not name.startswith(PREFIX)


def can_be_a_name(name: str) -> bool:
    """Return whether a collection may have this name: a telescope's has its detector's id in it."""
    return is_name(name) or detector_of_collection(name) != ""


def collection_numbers(cursor: Cursor, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of those of these collections that there are; each `can_be_a_name`."""
    cursor.execute("SELECT name, collection_id FROM collection WHERE name = ANY (%s)", (names,))
    return dict(cursor.fetchall())


def collection_number(cursor: Cursor, name: str) -> int:
    """Return the number of a collection.

    Raises:
        UnknownCollectionError: there is none of this name.
    """
    if name == RAW_NAME:
        return RAW
    found = collection_numbers(cursor, [name]) if can_be_a_name(name) else {}
    if name not in found:
        raise UnknownCollectionError(_unknown(name))
    return found[name]


def _unknown(name: str) -> str:
    """Return what to say of a collection that is not there; a telescope's runs may be of before."""
    shown = f"{name[:80]!r}"
    detector = detector_of_collection(name)
    if not detector:
        return told("COLLECTION_NOT_FOUND", "collection={name} is not in the index", name=shown)
    return told(
        "TELESCOPE_WITHOUT_COLLECTION",
        "collection={name} is not in the index: telescope {detector} has no runs there; runs from "
        "before there were collections are in 'raw'",
        name=shown,
        detector=f"{detector!r}",
    )


_ROWS = (
    "SELECT c.collection_id, c.name, coalesce(m.name, ''), c.state, c.comment, c.created, "
    "coalesce(r.events, 0)::bigint, coalesce(r.runs, 0) FROM collection c "
    "LEFT JOIN collection m ON m.collection_id = c.made_from "
    "LEFT JOIN (SELECT collection_id, sum(n_events) AS events, count(*) AS runs FROM run "
    "WHERE n_events > 0 GROUP BY collection_id) r ON r.collection_id = c.collection_id "
)


def list_collections(cursor: Cursor) -> list[CollectionRow]:
    """Return all collections, 'raw' first, then by name."""
    cursor.execute(f"{_ROWS} ORDER BY c.collection_id <> 0, c.name")
    return [CollectionRow(*row) for row in cursor.fetchall()]


def get_collection(cursor: Cursor, number: int) -> CollectionRow:
    """Return the collection of a number that is there."""
    cursor.execute(f"{_ROWS} WHERE c.collection_id = %s", (number,))
    return CollectionRow(*fetch_one(cursor))


def collection_of_dataset(cursor: Cursor, dsid: int) -> tuple[int, str]:
    """Return the number and name of the collection of a dataset that is in the index."""
    cursor.execute(
        "SELECT c.collection_id, c.name FROM dataset d JOIN collection c USING (collection_id) "
        "WHERE d.dsid_raw = %s",
        (dsid,),
    )
    number, name = fetch_one(cursor)
    return int(number), str(name)


def collections_of_file(cursor: Cursor, fuid_raw: str) -> list[int]:
    """Return the numbers of the collections in which a file has events, ascending."""
    cursor.execute(
        "SELECT DISTINCT collection_id FROM raw_file WHERE fuid_raw = %s::uuid AND n_events > 0 "
        "ORDER BY collection_id",
        (fuid_raw,),
    )
    return [number for (number,) in cursor.fetchall()]


def collections_by_run(cursor: Cursor, run_numbers: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the collections that hold events of each of these runs."""
    cursor.execute(
        "SELECT r.run_number, array_agg(c.name) FROM run r JOIN collection c USING (collection_id) "
        "WHERE r.run_number = ANY (%s::bigint[]) AND r.n_events > 0 GROUP BY r.run_number",
        (list(run_numbers),),
    )
    return dict(cursor.fetchall())


def collections_of_runs(cursor: Cursor, run_numbers: Sequence[int]) -> list[str]:
    """Return the names of the collections that hold events of any of these runs, 'raw' first."""
    cursor.execute(
        # The runs first: a cluster does not ask them for each collection.
        "WITH held AS MATERIALIZED (SELECT DISTINCT collection_id FROM run "
        "WHERE run_number = ANY (%s::bigint[]) AND n_events > 0) "
        "SELECT c.name FROM held JOIN collection c USING (collection_id) "
        "ORDER BY c.collection_id <> 0, c.name",
        (list(run_numbers),),
    )
    return [name for (name,) in cursor.fetchall()]
