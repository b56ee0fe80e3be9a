"""The list of runs, page by page: a row for each run and collection. Never writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from event_store.model import RAW
from event_store.select.paging import PageOf, Rows, read_page
from event_store.telescope.names import PREFIX, telescope_of

# The columns that each order compares, the last ones to tell equal rows apart.
RUN_ORDERS: Mapping[str, Sequence[str]] = {
    "run_number": ("run_number", "collection_id"),
    "events": ("n_events", "run_number", "collection_id"),
    "first_seen": ("first_seen", "run_number", "collection_id"),
    "last_seen": ("last_seen", "run_number", "collection_id"),
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; `first_seen` and `last_seen` are aware, `detector_id` is "" without a telescope."""

    run_number: int
    n_events: int
    first_event: int
    last_event: int
    first_seen: datetime
    last_seen: datetime
    detector_id: str
    collection_id: int
    n_files: int
    n_conflicts: int
    collection: str


def list_runs(
    cursor: Cursor,
    page: PageOf,
    *,
    run_first: int,
    run_last: int,
    detector_id: str | None,
    collections: Sequence[int] | None,
    numbers: Sequence[int] = (),
) -> Rows[RunRow]:
    """Return runs with events of collections (None: of all), a row for each run and collection.

    `detector_id` "" means those of no telescope.
    """
    conditions = ["n_events > 0", "run_number BETWEEN %s AND %s"]
    values: list[object] = [run_first, run_last]
    if collections is not None:
        conditions.append("collection_id = ANY (%s)")
        values.append(list(collections))
    if numbers:
        conditions.append("run_number = ANY (%s::bigint[])")
        values.append(list(numbers))
    if detector_id == "":
        conditions.append("detector_id IS NULL")
    elif detector_id is not None:
        # The column holds the run's first detector. Others may have sent events of it too, where
        # it was begun before they had collections of their own.
        conditions.append(
            "detector_id IS NOT NULL AND (detector_id = %s OR collection_id = %s "
            "AND run_number = ANY (%s::bigint[]) AND EXISTS (SELECT 1 FROM cosmic_event c "
            "WHERE c.run_number = run.run_number AND c.detector_id = %s OFFSET 0))"
        )
        values += [detector_id, RAW, _runs_in_raw(cursor, detector_id), detector_id]
    inner = (
        "SELECT run_number, n_events, first_event, last_event, first_seen, last_seen, "
        "coalesce(detector_id, '') AS detector_id, collection_id "
        f"FROM run WHERE {' AND '.join(conditions)}"
    )
    found = read_page(cursor, "{page}", inner, values, page=page, make=lambda *row: row)
    return Rows(_with_counts(cursor, found.rows), found.more)


def _with_counts(cursor: Cursor, runs: Sequence[Sequence[Any]]) -> list[RunRow]:
    """Return runs with their files, open conflicts and the name of their collection.

    Statements of their own: a cluster refuses a subquery for each row of a page.
    """
    of_runs = "run_number = ANY (%s::bigint[]) AND collection_id = ANY (%s::integer[])"
    each = "GROUP BY run_number, collection_id"
    numbers = sorted({run[-1] for run in runs})
    chosen = (sorted({run[0] for run in runs}), numbers)
    cursor.execute(
        "SELECT run_number, collection_id, count(DISTINCT fuid_raw) FROM raw_file "
        f"WHERE {of_runs} AND n_events > 0 {each}",
        chosen,
    )
    files = {(run, number): count for run, number, count in cursor.fetchall()}
    cursor.execute(
        "SELECT run_number, collection_id, count(*) FROM event_conflict "
        f"WHERE {of_runs} AND resolution = '' {each}",
        chosen,
    )
    conflicts = {(run, number): count for run, number, count in cursor.fetchall()}
    cursor.execute(
        "SELECT collection_id, name FROM collection WHERE collection_id = ANY (%s::integer[])",
        (numbers,),
    )
    names = dict(cursor.fetchall())
    rows = []
    for run in runs:
        key = (run[0], run[-1])
        values: tuple[Any, ...] = (*run, files.get(key, 0), conflicts.get(key, 0), names[run[-1]])
        rows.append(RunRow(*values))
    return rows


def _runs_in_raw(cursor: Cursor, detector_id: str) -> list[int]:
    """Return the runs that a telescope began before it had a collection of its own."""
    cursor.execute(
        "SELECT name FROM dataset WHERE collection_id = %s AND starts_with(name, %s)",
        (RAW, f"{PREFIX}{detector_id}."),
    )
    telescopes = [telescope_of(name) for (name,) in cursor.fetchall()]
    return [one.run_number for one in telescopes if one and one.detector_id == detector_id]
