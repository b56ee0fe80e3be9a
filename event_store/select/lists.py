"""The lists of the catalogue: runs, datasets, RAW files, conflicts, page by page.

A page begins behind the last key of the page before (keyset), so that rows which come and go do
not shift it. Counts come from the tables that the writing transaction keeps. Never writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from psycopg2.extensions import cursor as Cursor

from event_store.telescope.names import cosmic_collection

# Records of telescopes in one page of conflicts; one conflict always fits.
_RECORD_BYTES_MAX = 4 * 1024 * 1024

# The columns that each order compares, the last ones to tell equal rows apart.
RUN_ORDERS: Mapping[str, Sequence[str]] = {
    "run_number": ("run_number", "collection_id"),
    "events": ("n_events", "run_number", "collection_id"),
    "first_seen": ("first_seen", "run_number", "collection_id"),
    "last_seen": ("last_seen", "run_number", "collection_id"),
}
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
# The type of each column that is not a number.
KEY_TYPES: Mapping[str, str] = {
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
    "created": "timestamptz",
    "name": "text",
    "fuid_raw": "uuid",
}

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which page of a list: the rows behind `after` (none: the first) in the order of `columns`.

    `columns` is one of the orders above, `after` a value for each of them.
    """

    columns: Sequence[str]
    descending: bool
    after: Sequence[object] | None
    limit: int


class Rows(NamedTuple, Generic[Row]):
    """The rows of a page, and whether there are more behind them."""

    rows: list[Row]
    more: bool


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
    "collection_name": "(SELECT k.name FROM collection k WHERE k.collection_id = p.collection_id)",
    "resolved_by": "coalesce(resolved_by, '')",
    "stored_record": "coalesce(convert_from(stored_record, 'UTF8'), '')",
    "offered_record": "coalesce(convert_from(offered_record, 'UTF8'), '')",
}
CONFLICT_COLUMNS = ", ".join(_CONFLICT_VALUES.get(name, name) for name in _CONFLICT_FIELDS)


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
        # it was begun before they had collections of their own: then their dataset tells.
        conditions.append(
            "detector_id IS NOT NULL AND (detector_id = %s OR EXISTS (SELECT FROM dataset d "
            "WHERE d.name = %s || run.run_number AND d.collection_id = run.collection_id "
            "OFFSET 0) AND EXISTS (SELECT FROM cosmic_event c "
            "WHERE c.run_number = run.run_number AND c.detector_id = %s OFFSET 0))"
        )
        values += [detector_id, f"{cosmic_collection(detector_id)}.", detector_id]

    def of_run(table: str) -> str:
        return f"{table}.run_number = p.run_number AND {table}.collection_id = p.collection_id"

    inner = (
        "SELECT run_number, n_events, first_event, last_event, first_seen, last_seen, "
        "coalesce(detector_id, '') AS detector_id, collection_id "
        f"FROM run WHERE {' AND '.join(conditions)}"
    )
    sql = (
        f"SELECT p.*, (SELECT count(DISTINCT fuid_raw) FROM raw_file f WHERE {of_run('f')} "
        "AND f.n_events > 0), "
        "(SELECT count(*) FROM event_conflict c "
        f" WHERE {of_run('c')} AND c.resolution = ''), "
        "(SELECT k.name FROM collection k WHERE k.collection_id = p.collection_id) "
        f"FROM ({{page}}) p ORDER BY {_order(page)}"
    )
    return _read(cursor, sql, inner, values, page=page, make=RunRow)


_DATASET_COLUMNS = (
    "dsid_raw, name, state, comment, created, "
    "(SELECT k.name FROM collection k WHERE k.collection_id = dataset.collection_id) "
    "AS collection, "
    "coalesce((SELECT sum(f.n_events) FROM raw_file f WHERE f.dsid_raw = dataset.dsid_raw), 0)"
    "::bigint AS n_events"
)
_FILES_OF_DATASET = (
    "(SELECT count(DISTINCT fuid_raw) FROM raw_file f "
    "WHERE f.dsid_raw = p.dsid_raw AND f.n_events > 0)"
)


def get_dataset(
    cursor: Cursor, *, dsid: int | None = None, name: str | None = None
) -> DatasetRow | None:
    """Return the dataset with a number or a name, which both are unique; None without it."""
    column, value = ("name", name) if dsid is None else ("dsid_raw", dsid)
    cursor.execute(
        f"SELECT p.*, {_FILES_OF_DATASET} "
        f"FROM (SELECT {_DATASET_COLUMNS} FROM dataset WHERE {column} = %s) p",
        (value,),
    )
    row = cursor.fetchone()
    return None if row is None else DatasetRow(*row)


def list_datasets(
    cursor: Cursor,
    page: PageOf,
    *,
    state: int | None,
    name_contains: str,
    collection: int | None,
) -> Rows[DatasetRow]:
    """Datasets of a collection (None: of all); `name_contains` does not look at capitals."""
    inner = (
        f"SELECT {_DATASET_COLUMNS} FROM dataset "
        "WHERE (%s::smallint IS NULL OR state = %s) AND strpos(lower(name), lower(%s)) > 0 "
        "AND (%s::integer IS NULL OR collection_id = %s)"
    )
    sql = f"SELECT p.*, {_FILES_OF_DATASET} FROM ({{page}}) p ORDER BY {_order(page)}"
    return _read(
        cursor,
        sql,
        inner,
        [state, state, name_contains, *(2 * (collection,))],
        page=page,
        make=DatasetRow,
    )


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
    sql = f"{_FILE_ROWS} FROM ({{page}}) p {_FILE_STATE} ORDER BY {_order(page)}"
    return _read(cursor, sql, inner, values, page=page, make=FileRow)


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
    order = _order(page)
    sql = (
        f"SELECT {CONFLICT_COLUMNS}, p.n FROM (SELECT q.*, count(*) OVER () AS n, "
        f"sum(size) OVER (ORDER BY {order}) - size AS before FROM ({{page}}) q) p "
        f"WHERE p.before < {_RECORD_BYTES_MAX} ORDER BY {order}"
    )
    found = _read(cursor, sql, inner, values, page=page, make=lambda *row: row)
    rows = [ConflictRow.of(row[:-1]) for row in found.rows]
    return Rows(rows, bool(rows) and found.rows[0][-1] > len(rows))


def _order(page: PageOf) -> str:
    direction = " DESC" if page.descending else ""
    return ", ".join(f"{column}{direction}" for column in page.columns)


def _read(
    cursor: Cursor,
    sql: str,
    inner: str,
    values: Sequence[object],
    *,
    page: PageOf,
    make: Callable[..., Row],
) -> Rows[Row]:
    """Run `sql` with `{page}` being the rows of `inner` behind the last key, one more than asked.

    Numbers are compared as bigint, so that no value of a page token is out of a column's range.
    """
    after = ""
    if page.after is not None:
        marks = ", ".join(f"%s::{KEY_TYPES.get(column, 'bigint')}" for column in page.columns)
        sign = "<" if page.descending else ">"
        after = f"WHERE ({', '.join(page.columns)}) {sign} ({marks})"
    limited = f"SELECT * FROM ({inner}) l {after} ORDER BY {_order(page)} LIMIT %s"
    cursor.execute(sql.format(page=limited), (*values, *(page.after or ()), page.limit + 1))
    rows = [make(*row) for row in cursor.fetchall()]
    return Rows(rows[: page.limit], len(rows) > page.limit)
