"""Pairs of (run, event) in whatever form they come, as two columns of checked integers.

Pure: no I/O. Values are looked at one by one only to name the first wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from eventindex.numbers import (
    Int64,
    is_array,
    rows_of_integers,
    to_numbers,
)

__all__ = ["Int64", "Pairs", "PairsLike", "to_numbers", "to_pairs"]

_NAMES = ("run_number", "event_number")

# A list of (run, event), an (n, 2) array, a (runs, events) tuple of arrays, or a frame, an Arrow
# table or a structured array with the columns run_number and event_number.
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
            pandas frame, an Arrow table or a structured array with the columns `run_number` and
            `event_number`.

    Raises:
        ValueError: another shape, or a value that is missing, masked or not an integer from 0 to
            2^63-1; names its index and the value.
    """
    if isinstance(pairs, Pairs):
        return pairs
    if (names := _column_names(pairs)) is not None:
        return _from_frame(pairs, names)
    if isinstance(pairs, tuple) and len(pairs) == 2 and is_array(pairs[1]):
        return _from_columns(*pairs)
    if isinstance(pairs, tuple) and len(pairs) == 2 and isinstance(pairs[1], list):
        raise ValueError("two lists may be columns or pairs: give two arrays, or a list of pairs")
    if isinstance(pairs, np.ndarray):
        return _from_table(pairs)
    return _from_rows(pairs)


def _column_names(pairs: Any) -> list[Any] | None:
    """Return the names of a frame's, a table's or a structured array's columns; else None."""
    if isinstance(pairs, np.ndarray):
        return None if pairs.dtype.names is None else list(pairs.dtype.names)
    # What Arrow calls columns are the columns themselves.
    names = getattr(pairs, "column_names", None)
    if names is None:
        names = getattr(pairs, "columns", None)
    return None if names is None else list(names)


def _from_frame(frame: Any, names: list[Any]) -> Pairs:
    for name in _NAMES:
        if names.count(name) != 1:
            there = "twice the" if name in names else "no"
            raise ValueError(f"the frame has {there} column {name!r}")
    runs, events = (frame[name] for name in _NAMES)
    return _from_columns(runs, events)


def _from_columns(runs: object, events: object) -> Pairs:
    event_column = to_numbers(events, "event_number")
    if is_array(runs) and np.ndim(runs) > 0:  # type: ignore[arg-type]
        run_column = to_numbers(runs, "run_number")
    else:
        run_column = np.broadcast_to(to_numbers([runs], "run_number"), event_column.shape)
    if len(run_column) != len(event_column):
        raise ValueError(
            f"there are {len(run_column)} run numbers and {len(event_column)} event numbers"
        )
    return Pairs(run_column, event_column)


def _from_table(table: Any) -> Pairs:
    if table.ndim == 1 and table.dtype == object:
        return _from_rows(table.tolist())
    if table.shape == (0,):
        return _from_rows([])
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(f"pairs must have shape (n, 2), not {table.shape}")
    return Pairs(to_numbers(table[:, 0], "run_number"), to_numbers(table[:, 1], "event_number"))


def _from_rows(pairs: Iterable[Any]) -> Pairs:
    # Arrow's own scalars are no numbers.
    rows = pairs.to_pylist() if hasattr(pairs, "to_pylist") else pairs
    if not isinstance(rows, list | tuple):
        rows = list(rows)
    if len(rows) == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    if rows_of_integers(rows):
        try:
            table = np.asarray(rows)
        except (ValueError, OverflowError):
            table = np.empty(0, object)
        if table.ndim == 2 and table.shape[1] == 2 and table.dtype.kind in "iu":
            return _from_table(table)
    return _one_by_one(rows)


def _one_by_one(rows: Sequence[Any]) -> Pairs:
    """Return rows of mixed types, and numbers beyond 64 bits: NumPy would round them."""
    pairs = [_pair(index, row) for index, row in enumerate(rows)]
    runs, events = zip(*pairs, strict=True)
    return Pairs(to_numbers(runs, "run_number"), to_numbers(events, "event_number"))


def _pair(index: int, row: Any) -> tuple[Any, Any]:
    sized = isinstance(row, Sequence) or is_array(row)
    named = isinstance(row, np.void)  # its fields may stand in another order
    single = isinstance(row, str | bytes) or getattr(row, "ndim", 1) == 0
    if not sized or named or single or len(row) != 2:
        raise ValueError(f"pair {index} is {row!r}, not (run, event)")
    run, event = row
    return run, event
