"""The lists of the catalogue: datasets, RAW files, conflicts, page by page.

A page begins behind the last key of the page before (keyset), so that rows which come and go do
not shift it. Counts come from the tables that the writing transaction keeps. Never writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.select.paging import PageOf, Rows, order, read_page

# Records of telescopes in one page of conflicts; one conflict always fits.
_RECORD_BYTES_MAX = 4 * 1024 * 1024

# The columns that each order compares, the last ones to tell equal rows apart.
DATASET_ORDERS: Mapping[str, Sequence[str]] = {
    "dsid_raw": ("dsid_raw",),
    "name": ("name",),
    "events": ("n_events", "dsid_raw"),
    "created": ("created", "dsid_raw"),
}
FILE_ORDERS: Mapping[str, Sequence[str]] = {
    "run_number": ("run_number", "fuid_raw", "dsid_raw"),
    "fuid_raw": ("fuid_raw", "run_number", "dsid_raw"),
    "events": ("n_events", "run_number", "fuid_raw", "dsid_raw"),
}
CONFLICT_ORDER: Sequence[str] = ("run_number", "event_number", "conflict_id")


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset; `collection` is a name, `state` a DatasetState's number, `created` is aware."""

    dsid_raw: int
    name: str
    state: int
    comment: str
    created: datetime
    collection: str
    n_events: int
    n_files: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """A RAW file in one run and dataset; `fuid_raw` is its canonical text."""

    run_number: int
    fuid_raw: str
    dsid_raw: int
    state: int
    n_events: int
    first_event: int
    last_event: int
    collection: str


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """What is stored and what was offered; `olt_result` is signed, records are canonical JSON."""

    conflict_id: int
    run_number: int
    event_number: int
    stored_fuid_raw: str
    stored_dsid_raw: int
    stored_olt_result: int
    offered_fuid_raw: str
    offered_dsid_raw: int
    offered_olt_result: int
    source: str
    first_seen: datetime
    last_seen: datetime
    times: int
    resolution: str
    resolved_by: str
    resolved: datetime | None
    stored_record: str
    offered_record: str
    collection: int
    collection_name: str

    @classmethod
    def of(cls, columns: Sequence[object]) -> ConflictRow:
        """Make a row of the values of `CONFLICT_COLUMNS`."""
        return cls(**dict(zip(_CONFLICT_FIELDS, columns, strict=True)))  # type: ignore[arg-type]


_CONFLICT_FIELDS: Sequence[str] = [field.name for field in fields(ConflictRow)]
# How a field is read where it is not the column of its name.
_CONFLICT_VALUES: Mapping[str, str] = {
    "collection": "collection_id",
    "collection_name": "k.name",
    "resolved_by": "coalesce(resolved_by, '')",
    "stored_record": "coalesce(convert_from(stored_record, 'UTF8'), '')",
    "offered_record": "coalesce(convert_from(offered_record, 'UTF8'), '')",
}
CONFLICT_COLUMNS = ", ".join(_CONFLICT_VALUES.get(name, name) for name in _CONFLICT_FIELDS)
# Beside conflicts `p`, for `CONFLICT_COLUMNS`.
CONFLICT_COLLECTION = (
    "JOIN (SELECT collection_id AS number, name FROM collection) k ON k.number = p.collection_id"
)


_DATASET_FIELDS = (
    *("d.dsid_raw", "d.name", "d.state", "d.comment", "d.created"),
    "k.name AS collection",
)
_DATASET_COLUMNS = ", ".join(_DATASET_FIELDS)
_COLLECTION_OF_DATASET = "JOIN collection k ON k.collection_id = d.collection_id"
_EVENTS_OF_DATASETS = (
    "LEFT JOIN (SELECT dsid_raw, sum(n_events)::bigint AS events FROM raw_file GROUP BY dsid_raw) "
    "s ON s.dsid_raw = d.dsid_raw"
)


def get_dataset(
    cursor: Cursor, *, dsid: int | None = None, name: str | None = None
) -> DatasetRow | None:
    """Return the dataset with a number or a name, which both are unique; None without it."""
    column, value = ("name", name) if dsid is None else ("dsid_raw", dsid)
    cursor.execute(
        f"SELECT {_DATASET_COLUMNS} FROM dataset d {_COLLECTION_OF_DATASET} WHERE d.{column} = %s",
        (value,),
    )
    found = _with_counts(cursor, cursor.fetchall())
    return found[0] if found else None


def _with_counts(cursor: Cursor, datasets: Sequence[Sequence[Any]]) -> list[DatasetRow]:
    """Return datasets with what their files hold.

    A statement of its own: datasets lie on one server, files on all of a cluster. The events may
    have been counted already, for the order.
    """
    cursor.execute(
        "SELECT dsid_raw, sum(n_events)::bigint, "
        "count(DISTINCT fuid_raw) FILTER (WHERE n_events > 0) "
        "FROM raw_file WHERE dsid_raw = ANY (%s::integer[]) GROUP BY dsid_raw",
        ([row[0] for row in datasets],),
    )
    counts = {dsid: tuple(of_files) for dsid, *of_files in cursor.fetchall()}
    plain = len(_DATASET_FIELDS)
    rows = []
    for row in datasets:
        events, files = counts.get(row[0], (0, 0))
        values: tuple[Any, ...] = (*row[:plain], *(row[plain:] or (events,)), files)
        rows.append(DatasetRow(*values))
    return rows


def list_datasets(
    cursor: Cursor,
    page: PageOf,
    *,
    state: int | None,
    name_contains: str,
    collection: int | None,
) -> Rows[DatasetRow]:
    """Datasets of a collection (None: of all); `name_contains` does not look at capitals."""
    # Only that order needs the sums of all.
    by_events = "n_events" in page.columns
    inner = (
        f"SELECT {_DATASET_COLUMNS}{', coalesce(s.events, 0) AS n_events' if by_events else ''} "
        f"FROM dataset d {_COLLECTION_OF_DATASET} {_EVENTS_OF_DATASETS if by_events else ''} "
        "WHERE (%s::smallint IS NULL OR d.state = %s) AND strpos(lower(d.name), lower(%s)) > 0 "
        "AND (%s::integer IS NULL OR d.collection_id = %s)"
    )
    values = [state, state, name_contains, *(2 * (collection,))]
    found = read_page(cursor, "{page}", inner, values, page=page, make=lambda *row: row)
    return Rows(_with_counts(cursor, found.rows), found.more)


class DatasetNames(NamedTuple):
    """What a dataset is called, and the collection that it belongs to."""

    dataset: str
    collection: str


def dataset_names(cursor: Cursor, dsids: Collection[int]) -> dict[int, DatasetNames]:
    """Return the names of datasets and of their collections."""
    cursor.execute(
        "SELECT d.dsid_raw, d.name, c.name FROM dataset d JOIN collection c USING (collection_id) "
        "WHERE d.dsid_raw = ANY (%s::bigint[])",
        (list(dsids),),
    )
    return {dsid: DatasetNames(*names) for dsid, *names in cursor.fetchall()}


def list_files(
    cursor: Cursor,
    page: PageOf,
    *,
    run_number: int | None,
    dsid: int | None,
    collection: int | None,
    name_pattern: str = "",
) -> Rows[FileRow]:
    """Return files of a collection (None: of all) that have events, a row for each run and dataset.

    `name_pattern` "" takes any name.
    """
    conditions: list[str] = ["n_events > 0"]
    values: list[object] = []
    filters = (("run_number", run_number), ("dsid_raw", dsid), ("collection_id", collection))
    for column, value in filters:
        if value is not None:
            conditions.append(f"{column} = %s")
            values.append(value)
    if name_pattern:
        conditions.append(
            "fuid_raw IN (SELECT fuid FROM file_info WHERE name <> '' AND name LIKE %s)"
        )
        values.append(like_pattern(name_pattern))
    inner = (
        "SELECT run_number, fuid_raw, dsid_raw, n_events, first_event, last_event, collection_id "
        f"FROM raw_file WHERE {' AND '.join(conditions)}"
    )
    sql = f"{_FILE_ROWS} FROM ({{page}}) p {_FILE_STATE} ORDER BY {order(page)}"
    return read_page(cursor, sql, inner, values, page=page, make=FileRow)


def like_pattern(pattern: str) -> str:
    """Return a pattern with * and ? as LIKE has it. Pure."""
    for special in "\\%_":
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%").replace("?", "_")


def fuids_of_name(cursor: Cursor, name: str, limit: int) -> list[str]:
    """Return the files with a name, at most `limit` of them."""
    cursor.execute(
        "SELECT fuid::text FROM file_info WHERE name <> '' AND name = %s ORDER BY fuid LIMIT %s",
        (name, limit),
    )
    return [fuid for (fuid,) in cursor.fetchall()]


def file_rows(cursor: Cursor, fuid_raw: str, limit: int) -> list[FileRow]:
    """Return the runs and datasets of a RAW file, ascending, at most `limit` of them."""
    cursor.execute(
        f"{_FILE_ROWS} FROM raw_file p {_FILE_STATE} "
        "WHERE p.fuid_raw = %s::uuid AND p.n_events > 0 "
        "ORDER BY p.run_number, p.dsid_raw LIMIT %s",
        (fuid_raw, limit),
    )
    return [FileRow(*row) for row in cursor.fetchall()]


_FILE_ROWS = (
    "SELECT p.run_number, p.fuid_raw, p.dsid_raw, coalesce(d.state, 1), p.n_events, "
    "p.first_event, p.last_event, k.name"
)
_FILE_STATE = (
    "LEFT JOIN dataset d ON d.dsid_raw = p.dsid_raw "
    "JOIN collection k ON k.collection_id = p.collection_id"
)


def list_conflicts(
    cursor: Cursor,
    page: PageOf,
    *,
    run_number: int | None,
    with_resolved: bool,
    collection: int,
) -> Rows[ConflictRow]:
    """Return conflicts of a collection by run and event; pages with long records hold fewer."""
    conditions, values = ["collection_id = %s"], [collection]
    if run_number is not None:
        conditions.append("run_number = %s")
        values.append(run_number)
    if not with_resolved:
        conditions.append("resolution = ''")
    inner = (
        "SELECT *, coalesce(octet_length(stored_record), 0) "
        f"+ coalesce(octet_length(offered_record), 0) AS size FROM event_conflict "
        f"WHERE {' AND '.join(conditions)}"
    )
    ordered = order(page)
    sql = (
        f"SELECT {CONFLICT_COLUMNS}, p.n FROM (SELECT q.*, count(*) OVER () AS n, "
        f"sum(size) OVER (ORDER BY {ordered}) - size AS before FROM ({{page}}) q) p "
        f"{CONFLICT_COLLECTION} "
        f"WHERE p.before < {_RECORD_BYTES_MAX} ORDER BY {ordered}"
    )
    found = read_page(cursor, sql, inner, values, page=page, make=lambda *row: row)
    rows = [ConflictRow.of(row[:-1]) for row in found.rows]
    return Rows(rows, bool(rows) and found.rows[0][-1] > len(rows))
