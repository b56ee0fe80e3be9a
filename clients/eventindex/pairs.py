"""Pairs of (run, event) in whatever form they come, as two columns of checked integers.

Pure: no I/O. Values are looked at one by one only to name the first wrong one.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

NUMBER_MAX = 2**63 - 1

Int64: TypeAlias = npt.NDArray[np.int64]

# A list of (run, event), an (n, 2) array, a (runs, events) tuple of arrays, or a frame with the
# columns run_number and event_number.
PairsLike: TypeAlias = Any


class Pairs(NamedTuple):
    """n pairs as two int64 arrays of shape (n,)."""

    runs: Int64
    events: Int64


def to_pairs(pairs: PairsLike) -> Pairs:
    """Return the pairs as columns.

    Args:
        pairs: a list of (run, event); an integer array of shape (n, 2); a tuple of two integer
            arrays of shape (n,), of which the first may also be one run number for all; or a
            pandas frame with the columns `run_number` and `event_number`.

    Raises:
        ValueError: another shape, or a value that is not an integer from 0 to 2^63-1; names its
            index and the value.
    """
    if isinstance(pairs, Pairs):
        return pairs
    if hasattr(pairs, "columns"):
        return _from_frame(pairs)
    if isinstance(pairs, tuple) and len(pairs) == 2 and _is_array(pairs[1]):
        return _from_columns(*pairs)
    if isinstance(pairs, tuple) and len(pairs) == 2 and isinstance(pairs[1], list):
        raise ValueError("two lists may be columns or pairs: give two arrays, or a list of pairs")
    return _from_rows(pairs)


def to_numbers(values: object, name: str) -> Int64:
    """Return one column of numbers from 0 to 2^63-1 as int64, shape (n,).

    Raises:
        ValueError: not one-dimensional, or a value that is no such number.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {array.shape}")
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        return _checked_one_by_one(values, name)
    column = array.astype(np.int64, copy=False)
    # A uint64 of 2^63 and more is negative as int64.
    if int(column.min()) < 0:
        index = int(np.argmax(column < 0))
        raise ValueError(_out_of_range(name, index, int(array[index])))
    return column


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") and not np.isscalar(value)


def _from_frame(frame: Any) -> Pairs:
    missing = [name for name in ("run_number", "event_number") if name not in frame.columns]
    if missing:
        raise ValueError(f"the frame has no column {missing[0]!r}")
    return _from_columns(frame["run_number"].to_numpy(), frame["event_number"].to_numpy())


def _from_columns(runs: object, events: object) -> Pairs:
    event_column = to_numbers(events, "event_number")
    if _is_array(runs) and np.ndim(runs) > 0:  # type: ignore[arg-type]
        run_column = to_numbers(runs, "run_number")
    else:
        run_column = np.broadcast_to(to_numbers([runs], "run_number"), event_column.shape)
    if len(run_column) != len(event_column):
        raise ValueError(
            f"there are {len(run_column)} run numbers and {len(event_column)} event numbers"
        )
    return Pairs(run_column, event_column)


def _from_rows(pairs: Iterable[Any]) -> Pairs:
    rows: Any = pairs if hasattr(pairs, "__len__") else list(pairs)
    if len(rows) == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    try:
        table = np.asarray(rows)
    except (ValueError, OverflowError):
        table = np.empty(0, object)
    if table.ndim != 2 or table.shape[1] != 2:
        _raise_first_bad_row(rows)
    if table.dtype.kind not in "iu":
        # Mixed types and numbers beyond 64 bits: NumPy may have rounded them.
        return _from_mixed_rows(rows)
    return Pairs(
        to_numbers(table[:, 0], "run_number"),
        to_numbers(table[:, 1], "event_number"),
    )


def _from_mixed_rows(rows: Any) -> Pairs:
    return Pairs(
        _checked_one_by_one([row[0] for row in rows], "run_number"),
        _checked_one_by_one([row[1] for row in rows], "event_number"),
    )


def _raise_first_bad_row(rows: Any) -> None:
    if isinstance(rows, np.ndarray):
        raise ValueError(f"pairs must have shape (n, 2), not {rows.shape}")  # noqa: TRY004
    for index, row in enumerate(rows):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__") or len(row) != 2:
            raise ValueError(f"pair {index} is {row!r}, not (run, event)")
    raise ValueError("pairs must be (run, event), nothing deeper")


def _checked_one_by_one(values: Any, name: str) -> Int64:
    numbers = np.empty(len(values), np.int64)
    for index, value in enumerate(values):
        if isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} {index} is {value!r}, not an integer")  # noqa: TRY004
        try:
            number = operator.index(value)
        except TypeError:
            raise ValueError(f"{name} {index} is {value!r}, not an integer") from None
        if not 0 <= number <= NUMBER_MAX:
            raise ValueError(_out_of_range(name, index, number))
        numbers[index] = number
    return numbers


def _out_of_range(name: str, index: int, value: int) -> str:
    return f"{name} {index} is {value}, outside 0 to 2^63-1"
