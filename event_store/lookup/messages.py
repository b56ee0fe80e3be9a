"""Rows of a `COPY` of pages, as PostgreSQL sent them: where the columns of many lie. Pure.

By array operations, so that no page costs a turn of a loop. Format: see `pages.copy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.arrays import Places, ragged
from event_store.lookup.cached_files import file_keys
from event_store.lookup.packed import PACKED_FILES_MAX, PLANE_BYTES
from event_store.model import Int32, Int64
from event_store.pages.copy import SIGNATURE, TRAILER
from event_store.pages.format import FUID_DTYPE, OLT_PLANES_MAX

_SIZE_BYTES, _ARRAY_HEAD_BYTES, _FUID_ITEM_BYTES, _DSID_ITEM_BYTES = 4, 20, 20, 8
_INT = np.dtype(">i4")
# Number of columns; run, page, generation and `n_events`, each behind its size; then the sizes of
# `slots` and, where that is NULL, of `fuids`.
_KEY = [(name, form) for key in ("run", "page", "generation")
        for name, form in ((f"{key}_size", ">i4"), (key, ">i8"))]  # fmt: skip
_HEAD = np.dtype(
    [
        ("columns", ">i2"),
        *_KEY,
        *((name, ">i4") for name in ("n_events_size", "n_events", "slots_size", "fuids_size")),
    ]
)
# A wrong size leads no further than to the end.
_BEHIND = bytes(64)
_POWERS = 1 << np.arange(32, dtype=np.int64)


class Columns(NamedTuple):
    """n pages; int64, shape (n,): numbers, and where in the messages the rest begins."""

    runs: Int64
    pages: Int64
    generations: Int64
    n_events: Int64
    n_files: Int64
    fuids: Int64
    dsids: Int64
    planes: Int64
    olt: Int64
    olt_bytes: Int64

    def at(self, where: Places | npt.NDArray[np.bool_]) -> Columns:
        """Return some of the pages."""
        return Columns(*(column[where] for column in self))

    @property
    def index_planes(self) -> Int64:
        """How many planes the index into the page's files has."""
        return np.searchsorted(_POWERS, self.n_files - 1, side="right")


class Messages:
    """Some rows, read at any place.

    Attributes:
        rows: as they came, without the format's first and last bytes.
        unchanged: bool, shape (n,), the rows that came without content.
        plain: the rows in the form of nearly all: a dense page of up to 255 files.
        keys: int64, shape (n, 3), run, page and generation.
        columns: of the plain rows.
    """

    def __init__(self, messages: Sequence[bytes]) -> None:
        rows = [message.removeprefix(SIGNATURE) for message in messages]
        self.rows = [row for row in rows if row != TRAILER]
        self._data = b"".join([*self.rows, _BEHIND])
        lengths = np.fromiter(map(len, self.rows), np.int64, len(self.rows))
        starts = np.cumsum(lengths) - lengths
        heads = self._items(starts, _HEAD)
        self.unchanged = heads["n_events_size"] < 0
        self.keys = np.stack(
            [heads[key] for key in ("run", "page", "generation")], 1, dtype=np.int64
        )
        columns, plain = self._columns(heads, starts, starts + lengths)
        self.plain = np.flatnonzero(plain & ~self.unchanged)
        self.columns = columns.at(self.plain)

    def _columns(
        self, heads: npt.NDArray[Any], starts: Int64, ends: Int64
    ) -> tuple[Columns, npt.NDArray[np.bool_]]:
        """Return the columns as they lie in a plain row, and which rows are plain."""
        fuids = starts + _HEAD.itemsize
        n_files = (heads["fuids_size"].astype(np.int64) - _ARRAY_HEAD_BYTES) // _FUID_ITEM_BYTES
        dsids = fuids + _ARRAY_HEAD_BYTES + n_files * _FUID_ITEM_BYTES + _SIZE_BYTES
        planes = dsids + _ARRAY_HEAD_BYTES + n_files * _DSID_ITEM_BYTES + _SIZE_BYTES
        planes_bytes = self._sizes(planes)
        olt = planes + planes_bytes + _SIZE_BYTES
        olt_bytes = self._sizes(olt)
        run, page, generation = self.keys.T
        n_events = heads["n_events"].astype(np.int64)
        columns = Columns(
            run, page, generation, n_events, n_files, fuids, dsids, planes, olt, olt_bytes
        )
        plain = (heads["slots_size"] == -1) & (n_events > 0)
        plain &= (n_files > 0) & (n_files <= PACKED_FILES_MAX)
        plain &= heads["fuids_size"] == _ARRAY_HEAD_BYTES + n_files * _FUID_ITEM_BYTES
        plain &= self._sizes(dsids) == _ARRAY_HEAD_BYTES + n_files * _DSID_ITEM_BYTES
        plain &= planes_bytes == (1 + columns.index_planes) * PLANE_BYTES
        plain &= (olt_bytes >= 0) & (olt_bytes <= OLT_PLANES_MAX * PLANE_BYTES)
        plain &= (olt_bytes % PLANE_BYTES == 0) & (olt + olt_bytes == ends)
        return columns, plain

    def _sizes(self, values: Int64) -> Int64:
        """Return the size that stands before the value of a column."""
        at = np.clip(values - _SIZE_BYTES, 0, len(self._data) - len(_BEHIND))
        return self._items(at, _INT).astype(np.int64)

    def _items(self, at: Int64, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the values of a type that begin at some places, of the same shape."""
        of = np.dtype(dtype)
        raw = np.dtype((np.void, of.itemsize))
        count = max(0, len(self._data) - of.itemsize + 1)
        found: npt.NDArray[Any] = np.ndarray(count, raw, self._data, 0, (1,))[at].view(of)
        return found

    def planes(self, at: Int64, count: int) -> npt.NDArray[np.uint64]:
        """Return so many planes that begin at some places: uint64, shape (n, count, 128)."""
        found = self._items(at, f"V{count * PLANE_BYTES}")
        return found.view(np.uint64).reshape(len(found), count, PLANE_BYTES // 8)

    def files(self, pages: Columns) -> Int32:
        """Return the files of pages in turn, see `file_keys`."""
        fuids = self._elements(pages.fuids, pages.n_files, _FUID_ITEM_BYTES)
        dsids = self._elements(pages.dsids, pages.n_files, _DSID_ITEM_BYTES)
        return file_keys(self._items(fuids, FUID_DTYPE), self._items(dsids, _INT))

    def olt_planes(self, pages: Columns) -> list[bytes]:
        """Return the planes of `olt_result` of each page."""
        places = zip(pages.olt.tolist(), pages.olt_bytes.tolist(), strict=True)
        return [self._data[at : at + size] for at, size in places]

    def _elements(self, arrays: Int64, counts: Int64, item_bytes: int) -> Int64:
        """Return where the values of arrays' elements lie, each behind its size."""
        number = ragged(np.zeros(len(counts), np.int64), counts)
        first = arrays + _ARRAY_HEAD_BYTES + _SIZE_BYTES
        return np.repeat(first, counts) + number * item_bytes
