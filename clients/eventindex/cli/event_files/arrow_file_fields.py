"""What columns of Arrow say of the RAW files of events: names, sizes, checksums. Pure.

Each distinct value is checked once. Needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eventindex.cli.event_files.fields import (
    BadFieldError,
    checked_file_field,
    parsed_file_field,
)
from eventindex.text_rows import FILE_FIELDS
from eventindex.values import RawFile

_Indexes = npt.NDArray[np.int64]
_Known = tuple[str | int, ...]
_NOTHING: _Known = ("", 0, "")
# FILE_FIELDS in RawFile.
_PLACES = ("name", "bytes", "checksum")


def encoded(column: pa.Array) -> tuple[_Indexes, list[Any], npt.NDArray[np.bool_] | None]:
    """Return a column as numbers of its distinct values, these, and where it is null (at 0)."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if not pa.types.is_dictionary(column.type):
        # Arrow makes no dictionaries of views.
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.string())
        elif pa.types.is_binary_view(column.type):
            column = column.cast(pa.binary())
        column = column.dictionary_encode()
    indices, nulls = column.indices, None
    if indices.null_count:
        nulls = indices.is_null().to_numpy(zero_copy_only=False)
        indices = indices.fill_null(0)
    return np.from_dlpack(indices).astype(np.int64), column.dictionary.to_pylist(), nulls


def file_value(name: str, value: object) -> str | int:
    """Return what a value says of a file.

    Raises:
        BadFieldError: it cannot be.
    """
    if isinstance(value, bytes):
        return parsed_file_field(name, value.decode(errors="backslashreplace"))
    return checked_file_field(name, int(value) if isinstance(value, Decimal) else value)


def known_of_files(
    fields: Mapping[str, pa.Array], bad: npt.NDArray[np.bool_]
) -> tuple[_Indexes, list[_Known]]:
    """Return the number of what each event says of its file, and what that is.

    Marks in `bad` the events whose values cannot be.
    """
    codes, known = np.zeros(len(bad), np.int64), [_NOTHING]
    for place, name in enumerate(FILE_FIELDS):
        if name not in fields:
            continue
        found, values, nulls = encoded(fields[name])
        # Number 0 is what is not known: a null.
        found = found + 1 if nulls is None else np.where(nulls, 0, found + 1)
        checked = [_value_or_none(name, value) for value in (None, *values)]
        bad |= np.array([value is None for value in checked])[found]
        distinct, codes = np.unique(codes * len(checked) + found, return_inverse=True)
        known = [
            _with(known[number // len(checked)], place, checked[number % len(checked)])
            for number in distinct.tolist()
        ]
    return codes, known


def named(
    files: Sequence[RawFile],
    indexes: npt.NDArray[np.uint32],
    codes: _Indexes,
    known: Sequence[_Known],
) -> tuple[list[RawFile], npt.NDArray[np.uint32]]:
    """Return the files with what is known of them, and the index of each event's, from 1."""
    keys = (indexes.astype(np.int64) - 1) * len(known) + codes
    distinct, found = np.unique(keys, return_inverse=True)
    told = [
        files[key // len(known)]._replace(
            **dict(zip(_PLACES, known[key % len(known)], strict=True))
        )
        for key in distinct.tolist()
    ]
    return told, (found + 1).astype(np.uint32)


def _value_or_none(name: str, value: object) -> str | int | None:
    try:
        return file_value(name, value)
    except BadFieldError:
        return None


def _with(known: _Known, place: int, value: str | int | None) -> _Known:
    new = _NOTHING[place] if value is None else value
    return (*known[:place], new, *known[place + 1 :])
