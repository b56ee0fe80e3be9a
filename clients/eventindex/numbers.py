"""Columns of integers from the containers that people keep them in, without a silent change.

NumPy drops masks, rounds numbers beyond 2^53 that stand beside a missing value, and takes True for
1. Here each of these is an error that names its place. Pure: no I/O.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from eventindex.limits import NUMBER_MAX

UINT64_MAX = 2**64 - 1

Int64: TypeAlias = npt.NDArray[np.int64]
UInt64: TypeAlias = npt.NDArray[np.uint64]

_IN_WORDS = {2**31 - 1: "2^31-1", NUMBER_MAX: "2^63-1", UINT64_MAX: "2^64-1"}


def to_numbers(values: object, name: str) -> Int64:
    """Return one column of numbers from 0 to 2^63-1 as int64, shape (n,).

    Args:
        values: a list, a NumPy array, a pandas or polars series, an Arrow array, or whatever else
            NumPy takes.
        name: of the argument, for messages.

    Raises:
        ValueError: not one-dimensional, or a value that is missing, masked or no such number;
            names its index and the value.
    """
    return _column(values, name, NUMBER_MAX).astype(np.int64, copy=False)


def to_bits(values: object, name: str) -> UInt64:
    """Return one column of numbers from 0 to 2^64-1 as uint64, shape (n,); else as `to_numbers`."""
    return _column(values, name, UINT64_MAX).astype(np.uint64, copy=False)


def checked_integer(value: object, name: str, maximum: int = NUMBER_MAX) -> int:
    """Return a value that is an integer from 0 to a maximum, of Python or of NumPy.

    Raises:
        ValueError: it is another thing, masked, or outside.
    """
    if np.ma.is_masked(value):
        raise ValueError(f"{name} is masked")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}, not an integer") from None
    if isinstance(value, bool | np.bool_) or getattr(value, "dtype", None) == np.bool_:
        raise ValueError(f"{name} is {value!r}, not an integer")
    if not 0 <= number <= maximum:
        raise ValueError(f"{name} is {number}, outside 0 to {_IN_WORDS.get(maximum, maximum)}")
    return number


def is_array(value: object) -> bool:
    """Return whether a value is a column or a table for NumPy, no list and no single number."""
    return hasattr(value, "__array__") and not np.isscalar(value) and not isinstance(value, type)


def all_integers(values: Iterable[object]) -> bool:
    """Return whether the values are integers of Python or NumPy; True and a masked one are none."""
    return all(
        issubclass(kind, int | np.integer) and not issubclass(kind, bool | np.timedelta64)
        for kind in set(map(type, values))
    )


def rows_of_integers(rows: Sequence[Any]) -> bool:
    """Return whether every value of every row is an integer."""
    return all(issubclass(kind, list | tuple) for kind in set(map(type, rows))) and all_integers(
        chain.from_iterable(rows)
    )


def _column(values: object, name: str, maximum: int) -> npt.NDArray[np.integer[Any]]:
    if not is_array(values):
        return _from_sequence(values, name, maximum)
    # A column of floats gets a clearer error below.
    if isinstance(values, np.ma.MaskedArray) or _kind(values) != "f":
        _refuse_missing(values, name)
    array = _to_numpy(values)
    _check_shape(array, name)
    # A library may make a masked array on the way.
    _refuse_missing(array, name)
    if array.size == 0:
        # Whatever its type: an empty list of pandas is one of floats.
        return np.empty(0, np.uint64)
    if array.dtype.kind == "f":
        _refuse_floats(array, name)
    if array.dtype.kind not in "iu":
        return _one_by_one(enumerate(array.tolist()), name, maximum)
    _check_range(array, name, maximum)
    return np.asarray(array)


def _from_sequence(given: Any, name: str, maximum: int) -> npt.NDArray[np.integer[Any]]:
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        _check_shape(np.asarray(given), name)
    values: Sequence[Any] = given if isinstance(given, Sequence) else list(given)
    if len(values) == 0:
        return np.empty(0, np.uint64)
    if isinstance(values, range) or all_integers(values):
        array = np.asarray(values)
        if array.dtype.kind in "iu":
            _check_range(array, name, maximum)
            return array
    if all(issubclass(kind, float | np.floating) for kind in set(map(type, values))):
        _refuse_floats(np.asarray(values), name)
    return _one_by_one(enumerate(values), name, maximum)


def _to_numpy(values: Any) -> npt.NDArray[Any]:
    """Return an array; integers stay integers where the container knows that nothing is missing."""
    if hasattr(values, "to_numpy") and _kind(values) in {"i", "u"}:
        exact = getattr(values.dtype, "numpy_dtype", None)
        return np.asarray(values.to_numpy() if exact is None else values.to_numpy(dtype=exact))
    return np.asanyarray(values)


def _kind(values: Any) -> str:
    """Return the kind of number that a column says it holds, as NumPy calls it; or nothing."""
    return str(getattr(getattr(values, "dtype", None), "kind", ""))


def _refuse_missing(values: object, name: str) -> None:
    """Refuse a column in which a value is masked or missing."""
    word, missing = _missing(values)
    if missing is not None and missing.any():
        # Name the row where the array has two dimensions.
        index = int(np.argwhere(missing)[0][0]) if missing.ndim else 0
        raise ValueError(f"{name} {index} is {word}, not an integer")


def _missing(values: Any) -> tuple[str, npt.NDArray[np.bool_] | None]:
    mask = getattr(values, "mask", None)
    if isinstance(values, np.ma.MaskedArray):
        # A structured array has a mask a field.
        mask = np.ma.getmaskarray(values)
        return "masked", None if mask.dtype.names else mask
    if isinstance(values, np.ndarray):
        return "masked", None if mask is None else np.asarray(mask, np.bool_)
    for ask in ("isna", "is_null"):  # pandas; Arrow and polars
        if callable(method := getattr(values, ask, None)):
            return "missing", np.asarray(method()).astype(np.bool_)
    return "", None


def _refuse_floats(array: npt.NDArray[np.floating[Any]], name: str) -> None:
    """Refuse whole ones too: beyond 2^53 a float is no longer the number that was meant.

    Columns of integers become floats where a value is missing, so the message says which.
    """
    text = f"{name} 0 is {array[0].item()!r}, not an integer"
    broken = np.flatnonzero(~np.isfinite(array))
    if broken.size and broken[0]:
        text += f"; {name} {broken[0]} is {array[broken[0]].item()!r}"
    raise ValueError(text)


def _one_by_one(
    values: Iterable[tuple[int, object]], name: str, maximum: int
) -> npt.NDArray[np.integer[Any]]:
    numbers = [checked_integer(value, f"{name} {index}", maximum) for index, value in values]
    return np.array(numbers, np.int64 if maximum <= NUMBER_MAX else np.uint64)


def _check_shape(array: npt.NDArray[Any], name: str) -> None:
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not shape {array.shape}")


def _check_range(array: npt.NDArray[Any], name: str, maximum: int) -> None:
    """Find the first value that is outside; a minimum and a maximum are cheaper than a mask."""
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= maximum:
        return
    # Beyond 2^63-1 only uint64 has values, and below 0 only signed ones.
    bad = array < 0 if low < 0 else array > np.uint64(maximum)
    index = int(np.argmax(bad))
    checked_integer(int(array[index]), f"{name} {index}", maximum)
