"""Columns as pandas frames and Arrow tables, where the user has these libraries.

Imports them only when they are asked for. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

UInt32: TypeAlias = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Picked:
    """A column whose value is picked from a few: `indexes` from 1; 0 is none.

    The values are texts, or numbers that fit an int64.
    """

    indexes: UInt32
    values: Sequence[Any]
    text: bool = True


# Numbers that hardly repeat: a dictionary of them would cost more than all else.
_COUNTED = "event_number"

Columns: TypeAlias = Mapping[str, npt.NDArray[Any] | Picked]


def to_pandas(columns: Columns) -> Any:
    """Return a pandas frame; texts become categories, numbers that may be none become Int64.

    Raises:
        ModuleNotFoundError: pandas is not installed.
    """
    pandas = _library("pandas", "to_pandas")
    return pandas.DataFrame(
        {
            name: _pandas_column(pandas, column) if isinstance(column, Picked) else column
            for name, column in columns.items()
        },
        copy=False,
    )


def to_arrow(columns: Columns) -> Any:
    """Return an Arrow table; texts become dictionaries.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    arrow = _library("pyarrow", "to_arrow")
    return arrow.table(
        {
            name: _arrow_column(arrow, column) if isinstance(column, Picked) else column
            for name, column in columns.items()
        }
    )


def parquet_options(names: Sequence[str]) -> dict[str, Any]:
    """Return how pyarrow writes columns of these names to Parquet, small and soon."""
    repeated = [name for name in names if name != _COUNTED]
    return {
        "compression": {_COUNTED: "none"} | dict.fromkeys(repeated, "zstd"),
        "compression_level": dict.fromkeys(repeated, 1),
        "use_dictionary": repeated,
        "column_encoding": {_COUNTED: "DELTA_BINARY_PACKED"},
    }


def _pandas_column(pandas: Any, column: Picked) -> Any:
    if column.text:
        codes, distinct = _categories(column)
        return pandas.Categorical.from_codes(codes, distinct)
    table = np.array([0, *column.values], np.int64)
    return pandas.arrays.IntegerArray(table[column.indexes], column.indexes == 0)


def _arrow_column(arrow: Any, column: Picked) -> Any:
    none = column.indexes == 0
    if column.text:
        encoded = arrow.array(column.values, arrow.string()).dictionary_encode()
        codes = np.zeros(len(column.values) + 1, np.int32)
        codes[1:] = encoded.indices.to_numpy()
        return arrow.DictionaryArray.from_arrays(
            arrow.array(codes[column.indexes], mask=none), encoded.dictionary
        )
    table = np.array([0, *column.values], np.int64)
    return arrow.array(table[column.indexes], arrow.int64(), mask=none)


def _categories(column: Picked) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return the distinct values of a column and the place of each row's, -1 where it has none.

    Files of one name in two datasets are one category.
    """
    distinct = list(dict.fromkeys(column.values))
    places = {value: place for place, value in enumerate(distinct)}
    codes = np.array([-1, *(places[value] for value in column.values)], np.int64)
    return codes[column.indexes], distinct


def _library(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{method} needs {name}: pip install {name}", name=name
        ) from error
