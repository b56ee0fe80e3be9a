"""Some hundred pages a row of a binary `COPY`: what lookups read. Pure.

A column of a row is that column of all its pages, one behind the other, so that neither receiving
nor decoding has a step for each page.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, ragged
from event_store.errors import CorruptPageError
from event_store.model import Int64
from event_store.pages.copy import SIGNATURE, TRAILER, array_text, pages_source

# An array on the wire: a head, which is shorter without elements, and each element with its size.
_ARRAY_HEAD_BYTES, _EMPTY_ARRAY_BYTES = 20, 12
_SIZE = struct.Struct(">i")
SLOT_BYTES, FUID_BYTES, DSID_BYTES = _SIZE.size + 2, _SIZE.size + 16, _SIZE.size + 4
_POWERS = 1 << np.arange(32, dtype=np.int64)
_KEY = ("run_number", "page_no", "generation")
_ARRAYS, _BYTES = ("slots", "fuids", "dsids"), ("file_planes", "olt_planes")
_CONTENT = ("n_events", *_ARRAYS, *_BYTES)
# What is sent of a page; `{…}` stands for the column.
_SENT = (
    *(f"int8send({{{name}}})" for name in _KEY),
    "int4send(coalesce({n_events}, 0))",
    # -1 where there is no array.
    *(f"int4send(coalesce(cardinality({{{name}}}), -1))" for name in _ARRAYS),
    *(f"int4send(coalesce(octet_length({{{name}}}), 0))" for name in _BYTES),
    *(f"array_send({{{name}}})" for name in _ARRAYS),
    *(f"{{{name}}}" for name in _BYTES),
)


class WantedPages(NamedTuple):
    """n pages to read, by run and page number.

    `known` is the generation of each page that the reader holds, -1 of the others: the content is
    left out when it is still the same.
    """

    runs: Sequence[int]
    page_nos: Sequence[int]
    known: Sequence[int]


class Values(NamedTuple):
    """A column of n pages: the bytes of all, and where those of each begin (int64, shape (n,))."""

    data: bytes | memoryview
    starts: Int64

    def elements(
        self, pages: Places, counts: Int64, element_bytes: int, form: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        """Return the elements of some pages' arrays in turn, so many of each."""
        item = np.dtype([("size", f"V{_SIZE.size}"), ("value", form)])
        number = ragged(np.zeros(len(counts), np.int64), counts)
        at = np.repeat(self.starts[pages] + _ARRAY_HEAD_BYTES, counts) + number * element_bytes
        count = len(self.data) - item.itemsize + 1
        items = np.ndarray(max(count, 0), f"V{item.itemsize}", self.data, 0, (1,))
        found: npt.NDArray[Any] = items[at].view(item)["value"]
        return found


class Pages(NamedTuple):
    """n pages; int64, shape (n,): numbers, and how many elements or bytes the values have.

    There are -1 slots in a dense page, and -1 files where the content was left out.
    """

    runs: Int64
    pages: Int64
    generations: Int64
    n_events: Int64
    n_slots: Int64
    n_files: Int64
    n_dsids: Int64
    planes_bytes: Int64
    olt_bytes: Int64
    slots: Values
    fuids: Values
    dsids: Values
    planes: Values
    olt: Values

    @property
    def index_planes(self) -> Int64:
        """How many planes the index into each page's files has."""
        return np.searchsorted(_POWERS, self.n_files - 1, side="right")


def read_sql(
    wanted: WantedPages,
    pages_a_row: int,
    *,
    with_olt: bool,
    collection: int,
    offset: int = 0,
    by_shard: bool = False,
) -> str:
    """Return the COPY that reads pages; those of a row are ordered by their number of files.

    The numbers stand in the text because COPY takes no parameters; they are integers of ours.

    Args:
        wanted: the pages, at least one.
        pages_a_row: how many, at most.
        with_olt: whether to read `olt_planes`.
        collection: the collection of all of them.
        offset: what is added to the page numbers that are read.
        by_shard: let the server send the question to the shards of these runs alone; with a page
            a row.
    """
    values = _values_of(offset, with_olt=with_olt)
    arrays = [*map(array_text, wanted)]
    if pages_a_row == 1:
        # Without a subquery, which a cluster does not send to its nodes, and a third to plan.
        columns = ", ".join(sent.format_map(values) for sent in _SENT)
        query = (
            f"SELECT {columns} FROM {_source(wanted.runs, arrays, collection, by_shard=by_shard)}"
        )
    else:
        names = ("runs", "pages", "known")
        sliced = [f"l.{name}[g:g + {pages_a_row - 1}]" for name in names]
        source = _source(wanted.runs, sliced, collection, by_shard=False)
        inner = ", ".join(f"{value} AS {name}" for name, value in values.items())
        same = {name: name for name in values}
        columns = ", ".join(f"string_agg({sent.format_map(same)}, ''::bytea)" for sent in _SENT)
        all_wanted = ", ".join(
            f"{array} AS {name}" for array, name in zip(arrays, names, strict=True)
        )
        query = (
            f"SELECT a.* FROM (SELECT {all_wanted} OFFSET 0) l, "
            f"generate_series(1, {len(wanted.runs)}, {pages_a_row}) g CROSS JOIN LATERAL (SELECT "
            f"{columns} FROM (SELECT {inner} FROM {source} ORDER BY cardinality(p.fuids)) q) a"
        )
    return f"COPY ({query}) TO STDOUT (FORMAT BINARY)"


def _values_of(offset: int, *, with_olt: bool) -> dict[str, str]:
    """Return what the columns of a page `p` are, without content where it is known."""
    content = {name: f"p.{name}" for name in _CONTENT}
    if not with_olt:
        content["olt_planes"] = "''::bytea"
    return {
        "run_number": "p.run_number",
        "page_no": f"p.page_no + {offset}",
        "generation": "p.generation",
    } | {
        name: f"CASE WHEN p.generation <> w.known THEN {value} END"
        for name, value in content.items()
    }


def _source(runs: Sequence[int], arrays: Sequence[str], collection: int, *, by_shard: bool) -> str:
    rows = f"unnest({', '.join(arrays)}) w (run_number, page_no, known)"
    return pages_source(runs, rows, collection, by_shard=by_shard)


def decode_rows(messages: Sequence[bytes]) -> Pages:
    """Decode rows as PostgreSQL sent them, the first and last bytes of the format among them.

    Raises:
        CorruptPageError: an array has not the form that its elements ask for.
    """
    rows = [row for message in messages if (row := _fields(message)) is not None]
    fields = [*zip(*rows, strict=True)] if rows else [()] * len(_SENT)
    # A row is the rule, and its bytes are not copied.
    data = [one[0] if len(one) == 1 else b"".join(one) for one in fields]
    longs, ints = data[: len(_KEY)], data[len(_KEY) : -len(_ARRAYS + _BYTES)]
    numbers = [np.frombuffer(one, ">i8").astype(np.int64) for one in longs]
    numbers += [np.frombuffer(one, ">i4").astype(np.int64) for one in ints]
    arrays = zip(numbers[4:7], (SLOT_BYTES, FUID_BYTES, DSID_BYTES), strict=True)
    sizes = [*itertools.starmap(_array_bytes, arrays), *numbers[7:]]
    values = map(_values, data[-len(sizes) :], sizes)
    return Pages._make([*numbers, *values])


def _fields(message: bytes) -> list[memoryview] | None:
    """Return the fields of a row, without bytes where they are NULL; None of the format's end."""
    view, at = memoryview(message), len(SIGNATURE) if message.startswith(SIGNATURE) else 0
    if message[at:] == TRAILER:
        return None
    at += 2
    fields = []
    for _ in _SENT:
        (size,) = _SIZE.unpack_from(view, at)
        at += _SIZE.size
        fields.append(view[at : at + max(size, 0)])
        at += max(size, 0)
    return fields


def _array_bytes(counts: Int64, element_bytes: int) -> Int64:
    sizes = _ARRAY_HEAD_BYTES + counts * element_bytes
    return np.where(counts > 0, sizes, np.where(counts < 0, 0, _EMPTY_ARRAY_BYTES))


def _values(data: bytes | memoryview, sizes: Int64) -> Values:
    ends = np.cumsum(sizes)
    if len(data) != (ends[-1] if len(ends) else 0):
        raise CorruptPageError("an array of a page has not the form of a plain list")
    return Values(data, ends - sizes)
