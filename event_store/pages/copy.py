"""Rows of `event_page` in PostgreSQL's binary COPY format, from and to NumPy arrays.

Pure. The published libraries for this format build it from one Python object a value and do not
read it; here a page's arrays go through as whole buffers.
Format: PostgreSQL documentation, COPY, "Binary Format"; arrays as `array_send` writes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.model import RAW
from event_store.pages.format import FUID_DTYPE, PackedPage

COLUMNS = (
    "run_number, collection_id, page_no, generation, n_events, slots, fuids, dsids, "
    "file_planes, olt_planes"
)

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = struct.pack(">h", -1)
_OID_INT2, _OID_INT4, _OID_UUID = 21, 23, 2950
_HEAD = struct.Struct(">h iq ii iq iq ii")
_SCANNED_HEAD = struct.Struct(">h iq iq")
_ROW_HEAD = struct.Struct(">h iq iq iq")
_INT = struct.Struct(">i")
_ARRAY = struct.Struct(">iiiii")
_NULL = _INT.pack(-1)
_INT2_ITEM = np.dtype([("size", ">i4"), ("value", ">i2")])
_INT4_ITEM = np.dtype([("size", ">i4"), ("value", ">i4")])
_UUID_ITEM = np.dtype([("size", ">i4"), ("value", FUID_DTYPE)])


class WantedPages(NamedTuple):
    """n pages to read, by run and page number."""

    runs: Sequence[int]
    page_nos: Sequence[int]


class FetchedPage(NamedTuple):
    """A page as it was read; `page` is None where there is none."""

    run_number: int
    page_no: int
    generation: int
    page: PackedPage | None


class ScannedPage(NamedTuple):
    """A page that a scan came by."""

    run_number: int
    page_no: int
    page: PackedPage


class ScanRange(NamedTuple):
    """The pages of runs up to `run_last`, behind (after_run, after_page), with these numbers."""

    collection: int
    after_run: int
    after_page: int
    run_last: int
    page_first: int
    page_last: int
    pages_max: int


class StoredPage(NamedTuple):
    """A page as it is to be stored."""

    run_number: int
    page_no: int
    generation: int
    page: PackedPage
    collection: int = RAW

    @property
    def size_bytes(self) -> int:
        """What it takes as a row of `encode_rows`, to a few bytes."""
        slots = 0 if self.page.slots is None else 6 * len(self.page.slots)
        planes = len(self.page.file_planes) + len(self.page.olt_planes)
        return 120 + slots + 28 * len(self.page.fuids) + planes


def encode_rows(pages: Iterable[StoredPage]) -> bytes:
    """Encode pages for `COPY event_page (COLUMNS) FROM STDIN (FORMAT BINARY)`."""
    parts = [SIGNATURE]
    for run_number, page_no, generation, page, collection in pages:
        key = (8, run_number, 4, collection, 8, page_no)
        parts.append(_HEAD.pack(10, *key, 8, generation, 4, page.n_events))
        if page.slots is None:
            parts.append(_NULL)
        else:
            parts.append(_field(_array(page.slots, _INT2_ITEM, _OID_INT2)))
        parts.append(_field(_array(page.fuids, _UUID_ITEM, _OID_UUID)))
        parts.append(_field(_array(page.dsids, _INT4_ITEM, _OID_INT4)))
        parts.append(_field(page.file_planes))
        parts.append(_field(page.olt_planes))
    parts.append(TRAILER)
    return b"".join(parts)


def fetch_sql(
    wanted: WantedPages, *, with_olt: bool, collection: int = RAW, by_shard: bool = False
) -> str:
    """Return the COPY that reads pages, a row each, in the form that `decode_rows` takes.

    The numbers stand in the text because COPY takes no parameters; they are integers of ours.
    Pages of one run name it as a constant, which a cluster sends to its shard; those of several (at
    least one) go by `by_shard` to the shards of these runs alone.
    """
    olt = "p.olt_planes" if with_olt else "''::bytea"
    content = f"p.n_events, p.slots, p.fuids, p.dsids, p.file_planes, {olt}"
    runs, page_nos = wanted
    if any(run != runs[0] for run in runs):
        source = pages_source(runs, named_arrays(*wanted), collection, by_shard=by_shard)
    else:
        key = f"p.run_number = {runs[0]} AND p.collection_id = {collection}"
        source = f"event_page p WHERE {key} AND p.page_no = ANY ({array_text(page_nos)})"
    return (
        f"COPY (SELECT p.run_number, p.page_no, p.generation, {content} FROM {source}) "
        "TO STDOUT (FORMAT BINARY)"
    )


def named_arrays(*columns: Sequence[int]) -> str:
    """Return runs and page numbers as a table `w` in the text of a statement."""
    return f"unnest({', '.join(map(array_text, columns))}) w (run_number, page_no)"


def pages_source(runs: Sequence[int], wanted: str, collection: int, *, by_shard: bool) -> str:
    """Return the tables and the condition that give the pages `p` of `wanted`, a table `w`.

    Each is looked up by the key: OFFSET 0 keeps the planner from reading all pages of these runs
    for a hash join. In a cluster it is a join that goes to the shards of these runs.
    """
    if by_shard:
        return (
            f"{wanted} JOIN event_page p ON p.run_number = w.run_number "
            f"AND p.collection_id = {collection} AND p.page_no = w.page_no "
            f"WHERE p.run_number = ANY ({array_text(sorted(set(runs)))})"
        )
    return (
        f"{wanted} CROSS JOIN LATERAL (SELECT * FROM event_page e "
        f"WHERE e.run_number = w.run_number AND e.collection_id = {collection} "
        "AND e.page_no = w.page_no OFFSET 0) p WHERE true"
    )


def array_text(numbers: Sequence[int]) -> str:
    """Return numbers as an array in the text of a statement."""
    return f"'{{{','.join(map(str, numbers))}}}'::bigint[]"


# A page that says it is empty and names files contradicts itself: whoever reads it is told.
_NOT_EMPTY = "(p.n_events > 0 OR p.fuids <> '{}'::uuid[])"
# The columns of a page without its files.
_PRESENCE = (
    "'{}'::uuid[], '{}'::integer[], CASE WHEN p.slots IS NULL "
    "THEN substring(p.file_planes, 1, 1024) ELSE ''::bytea END"
)


def scan_sql(scan: ScanRange, *, with_files: bool, with_olt: bool) -> str:
    """Return the COPY that reads the next pages in the order of the key, for `decode_scanned`.

    Args:
        scan: which pages.
        with_files: whether the RAW files matter; without them `fuids`, `dsids` and the planes of
            the file index are left out.
        with_olt: whether to read `olt_planes`.
    """
    files = "p.fuids, p.dsids, p.file_planes" if with_files else _PRESENCE
    olt = "p.olt_planes" if with_olt else "''::bytea"
    return scan_columns_sql(scan, f"p.n_events, p.slots, {files}, {olt}")


def scan_columns_sql(scan: ScanRange, columns: str) -> str:
    """Return the COPY that reads some columns of the next pages, behind the run and the page."""
    query = (
        f"SELECT p.run_number, p.page_no, {columns} FROM event_page p "
        f"WHERE {_behind(scan)} AND p.collection_id = {scan.collection} "
        f"AND p.page_no BETWEEN {scan.page_first} AND {scan.page_last} AND {_NOT_EMPTY} "
        f"ORDER BY p.run_number, p.page_no LIMIT {scan.pages_max}"
    )
    return f"COPY ({query}) TO STDOUT (FORMAT BINARY)"


def _behind(scan: ScanRange) -> str:
    """Return the condition on run and page; the last run is named by itself: it has one shard."""
    if scan.after_run == scan.run_last:
        return f"p.run_number = {scan.run_last} AND p.page_no > {scan.after_page}"
    return (
        f"(p.run_number, p.collection_id, p.page_no) > "
        f"({scan.after_run}, {scan.collection}, {scan.after_page}) "
        f"AND p.run_number <= {scan.run_last}"
    )


def presence_sql(
    keys: Sequence[tuple[int, int]], collection: int, *, with_olt: bool, by_shard: bool = False
) -> str:
    """Return the COPY that reads which slots of pages hold an event, for `decode_scanned`.

    Args:
        keys: the (run, page) of each.
        collection: the collection of all of them.
        with_olt: whether to read `olt_planes` too.
        by_shard: let the server send the question to the shards of these runs alone.
    """
    runs, page_nos = zip(*keys, strict=True)
    olt = "p.olt_planes" if with_olt else "''::bytea"
    source = pages_source(runs, named_arrays(runs, page_nos), collection, by_shard=by_shard)
    return (
        f"COPY (SELECT p.run_number, p.page_no, p.n_events, p.slots, {_PRESENCE}, {olt} "
        f"FROM {source} AND {_NOT_EMPTY}) TO STDOUT (FORMAT BINARY)"
    )


def decode_rows(data: bytes) -> Iterator[FetchedPage]:
    """Decode what `fetch_sql` read."""
    for (run_number, page_no, generation), fields in _rows(data, _ROW_HEAD):
        yield FetchedPage(run_number, page_no, generation, _page(fields))


def decode_scanned(data: bytes) -> Iterator[ScannedPage]:
    """Decode what `scan_sql` read."""
    for (run_number, page_no), fields in _rows(data, _SCANNED_HEAD):
        page = _page(fields)
        if page is not None:
            yield ScannedPage(run_number, page_no, page)


def _rows(
    data: bytes, head: struct.Struct
) -> Iterator[tuple[tuple[int, ...], list[memoryview | None]]]:
    """Yield rows of bigint columns and the six of a page; a part may lack signature or trailer."""
    at = len(SIGNATURE) if data.startswith(SIGNATURE) else 0
    view = memoryview(data)
    while at < len(data) and data[at : at + 2] != TRAILER:
        numbers = head.unpack_from(data, at)[2::2]
        at += head.size
        fields: list[memoryview | None] = []
        for _ in range(6):
            (size,) = _INT.unpack_from(data, at)
            at += 4
            fields.append(view[at : at + size] if size >= 0 else None)
            at += max(size, 0)
        yield numbers, fields


def _page(fields: list[memoryview | None]) -> PackedPage | None:
    n_events, slots, fuids, dsids, file_planes, olt_planes = fields
    if n_events is None or fuids is None or dsids is None:
        return None
    return PackedPage(
        _INT.unpack(n_events)[0],
        None if slots is None else _items(slots, _INT2_ITEM).astype(np.uint16),
        _items(fuids, _UUID_ITEM).copy(),
        _items(dsids, _INT4_ITEM).astype(np.int32),
        bytes(file_planes or b""),
        bytes(olt_planes or b""),
    )


def int2_values(items: bytes) -> npt.NDArray[np.int16]:
    """Return the values of elements of smallint arrays, without the arrays' heads."""
    return np.frombuffer(items, _INT2_ITEM)["value"].astype(np.int16)


def _items(field: memoryview, dtype: np.dtype[np.void]) -> npt.NDArray[Any]:
    items = np.frombuffer(field[_ARRAY.size :], dtype) if len(field) > _ARRAY.size else None
    if items is None:
        return np.empty(0, dtype["value"])
    values: npt.NDArray[Any] = items["value"]
    return values


def _array(values: npt.NDArray[Any], dtype: np.dtype[np.void], oid: int) -> bytes:
    if len(values) == 0:
        return struct.pack(">iii", 0, 0, oid)
    if len(values) == 1:
        item = values.astype(dtype["value"], copy=False).tobytes()
        return _ARRAY.pack(1, 0, oid, 1, 1) + _INT.pack(len(item)) + item
    items = np.empty(len(values), dtype)
    items["size"] = dtype["value"].itemsize
    items["value"] = values
    return _ARRAY.pack(1, 0, oid, len(values), 1) + items.tobytes()


def _field(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data
