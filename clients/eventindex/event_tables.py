"""Events as people hold them, a table with a row each, as the batches that are sent.

A table is a pandas or polars frame, an Arrow table, a structured array or a dictionary of columns.
Pure: no I/O.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from eventindex.collection_names import RAW
from eventindex.columns import EventColumns
from eventindex.limits import DSID_MAX, PAIRS_PER_MESSAGE_MAX
from eventindex.numbers import Int64, to_bits, to_numbers
from eventindex.selection_results import Events
from eventindex.uuids import why_no_uuid
from eventindex.values import RawFile

FIELDS = ("run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw")
_MAY_BE_LEFT_OUT = {"olt_result"}
# In a dictionary one value may stand for all rows.
_SCALARS = (int, str, uuid.UUID, np.integer)

# A batch of columns, or a table with a row an event.
EventsLike: TypeAlias = Any


def to_batches(
    given: EventsLike | Iterable[EventsLike],
    *,
    ignore_extra: bool = False,
    collection: str = RAW,
) -> Iterator[EventColumns]:
    """Yield batches that fit a message, of one batch or table or of any number of them.

    Args:
        given: `EventColumns`, `Events`, a table, or an iterable of these.
        ignore_extra: pass over columns of a table that are none of `FIELDS`.
        collection: that the events of tables belong to.

    Raises:
        ValueError: a column that is missing or not known, or a value that cannot be; names it.
    """
    if isinstance(given, EventColumns | Events):
        yield cast("EventColumns", given)  # listed events have the same columns
    elif (names := _names(given)) is not None:
        yield from _slices(given, names, ignore_extra, collection)
    else:
        for one in given:
            yield from to_batches(one, ignore_extra=ignore_extra, collection=collection)


def _names(given: Any) -> list[str] | None:
    """Return the names of the columns of a table; None for what is none."""
    if isinstance(given, Mapping):
        return [str(name) for name in given]
    if isinstance(given, np.ndarray):
        return None if given.dtype.names is None else list(given.dtype.names)
    # Arrow calls the columns themselves columns; a record batch has a schema alone.
    for names in (
        getattr(given, "column_names", None),
        getattr(getattr(given, "schema", None), "names", None),
        getattr(given, "columns", None),
    ):
        if names is not None and not callable(names):
            return [str(name) for name in names]
    return None


def _slices(
    table: Any, names: list[str], ignore_extra: bool, collection: str
) -> Iterator[EventColumns]:
    if hasattr(table, "reset_index") and set(FIELDS) & set(table.index.names):
        # What pandas keeps as the index are columns for everybody else.
        table = table.reset_index()
        names = [str(name) for name in table.columns]
    _check_names(names, ignore_extra)
    columns = {name: table[name] for name in FIELDS if name in names}
    count = _count(columns)
    columns = {name: _broadcast(name, values, count) for name, values in columns.items()}
    runs = to_numbers(columns["run_number"], "run_number")
    events = to_numbers(columns["event_number"], "event_number")
    dsids = to_numbers(columns["dsid_raw"], "dsid_raw")
    fuids = _fuids(columns["fuid_raw"])
    olt = to_bits(columns["olt_result"], "olt_result") if "olt_result" in columns else None
    _check_lengths(runs, events, dsids, fuids, *([] if olt is None else [olt]))
    if count and int(dsids.max()) > DSID_MAX:
        row = int(np.argmax(dsids > DSID_MAX))
        raise ValueError(f"dsid_raw {row} is {dsids[row]}, outside 0 to 2^31-1")
    for start in range(0, count, PAIRS_PER_MESSAGE_MAX):
        part = slice(start, start + PAIRS_PER_MESSAGE_MAX)
        files, indexes = _files(fuids[part], dsids[part])
        bits = None if olt is None else olt[part]
        yield EventColumns(files, runs[part], events[part], indexes, bits, collection)


def _check_names(names: list[str], ignore_extra: bool) -> None:
    for name in FIELDS:
        if names.count(name) > 1:
            raise ValueError(f"the table has twice the column {name!r}")
        if name not in names and name not in _MAY_BE_LEFT_OUT:
            raise ValueError(f"the table has no column {name!r}; events have {', '.join(FIELDS)}")
    extra = [name for name in names if name not in FIELDS]
    if extra and not ignore_extra:
        raise ValueError(
            f"the column {extra[0]!r} is none of {', '.join(FIELDS)}: leave it out, or say "
            "ignore_extra=True"
        )


def _count(columns: Mapping[str, Any]) -> int:
    lengths = [len(values) for values in columns.values() if not isinstance(values, _SCALARS)]
    if not lengths:
        raise ValueError("every column is a single value: at least event_number has one a row")
    return max(lengths)


def _broadcast(name: str, values: Any, count: int) -> Any:
    if not isinstance(values, _SCALARS):
        return values
    if name == "fuid_raw":
        return [values] * count
    return np.broadcast_to(to_numbers([values], name), count)


def _check_lengths(*columns: npt.NDArray[Any]) -> None:
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise ValueError(f"the columns have different lengths: {sorted(lengths)}")


def _fuids(values: Any) -> npt.NDArray[np.str_]:
    """Return file ids as text: texts, UUIDs, or their 16 bytes."""
    found = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    texts: dict[Any, str] = {}
    for row, value in enumerate(found):
        if value not in texts:
            texts[value] = _text(row, value)
    return np.array([texts[value] for value in found], dtype="U36")


def _text(row: int, value: Any) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes) and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    if problem := why_no_uuid(value):
        raise ValueError(f"fuid_raw {row} {problem}")
    return str(value)


def _files(fuids: npt.NDArray[np.str_], dsids: Int64) -> tuple[list[RawFile], Int64]:
    """Return the distinct files, and for each event the place of its own, from 1."""
    names, name_of = np.unique(fuids, return_inverse=True)
    numbers, number_of = np.unique(dsids, return_inverse=True)
    keys, places = np.unique(name_of * len(numbers) + number_of, return_inverse=True)
    files = [
        RawFile(str(names[key // len(numbers)]), int(numbers[key % len(numbers)])) for key in keys
    ]
    return files, places + 1
