"""Columns of Arrow to blocks of events: checked by masks, no Python object a row. Pure.

Needs pyarrow; only what runs when it is there imports this.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eventindex.cli.event_files.arrow_file_fields import (
    encoded,
    file_value,
    known_of_files,
    named,
)
from eventindex.cli.event_files.fields import (
    ALL_FIELDS,
    NUMBER_MAXIMA,
    BadFieldError,
    checked_number,
)
from eventindex.cli.event_files.rows import (
    BadRow,
    Defaults,
    EventBlock,
    FileFormatError,
    Report,
    Row,
    checked_event,
)
from eventindex.columns import EventColumns, shortest
from eventindex.text_rows import FILE_FIELDS
from eventindex.uuids import is_canonical_uuid
from eventindex.values import RawFile

_FILE_IDS_MAX = 4096

_Bools = npt.NDArray[np.bool_]
_UInt64 = npt.NDArray[np.uint64]
_Indexes = npt.NDArray[np.int64]
_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)
_TEXT_FIELDS = ("file_name", "file_checksum")
_NO_NUMBERS = ("fuid_raw", *FILE_FIELDS)


def check_types(types: Mapping[str, pa.DataType]) -> None:
    """Check that the columns of a file can hold what the fields take.

    Raises:
        FileFormatError: a column of another type; names it.
    """
    for name, kind in types.items():
        if name == "fuid_raw":
            fits, wanted = _holds_file_ids(_plain(kind)), "text or 16 bytes"
        elif name in FILE_FIELDS and pa.types.is_null(kind):
            continue
        elif name in _TEXT_FIELDS:
            fits, wanted = any(is_kind(_plain(kind)) for is_kind in _TEXTS), "text"
        else:
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            whole = pa.types.is_decimal(plain) and plain.scale == 0
            fits, wanted = pa.types.is_integer(plain) or whole, "integers"
        if not fits:
            raise FileFormatError(f"column {name!r} has the type {kind}, not {wanted}")


def _holds_file_ids(kind: Any) -> bool:
    if pa.types.is_fixed_size_binary(kind):
        return bool(kind.byte_width == 16)
    return any(is_kind(kind) for is_kind in _TEXTS)


def to_block(
    fields: Mapping[str, pa.Array],
    line_first: int,
    row: Callable[[int], Row],
    defaults: Defaults,
    report: Report,
    *,
    unit: str = "line",
) -> EventBlock:
    """Return the good events of columns, and report the bad ones.

    Args:
        fields: the columns by field; n integers of any width, file ids as text or as 16 bytes.
        line_first: the line (or row) of the first event; they follow each other.
        row: the row as it came, by its index.
        defaults: stands in for columns that are not there.
        report: is told of each bad row.
        unit: what `line_first` counts.
    """
    count = len(fields["event_number"])
    bad = np.zeros(count, np.bool_)
    numbers = {
        name: _numbers(name, column, bad)
        for name, column in fields.items()
        if name not in _NO_NUMBERS
    }
    runs = numbers.get("run_number", _constant(count, defaults.run_number))
    dsids = numbers.get("dsid_raw", _constant(count, defaults.dsid_raw))
    fuids, codes = _file_ids(fields.get("fuid_raw"), runs, defaults, bad)
    known_codes, known = known_of_files(fields, bad)
    olt = numbers.get("olt_result")
    keep = slice(None) if not bad.any() else np.flatnonzero(~bad)
    for index in np.flatnonzero(bad).tolist():
        problem = _problem(fields, index, defaults)
        report(BadRow(line_first + index, problem, row(index), unit))
    files, indexes = _files(fuids, codes[keep], dsids[keep])
    if not set(FILE_FIELDS).isdisjoint(fields):
        files, indexes = named(files, indexes, known_codes[keep], known)
    columns = EventColumns(
        files=files,
        run_numbers=shortest(runs[keep].view(np.int64)),
        event_numbers=numbers["event_number"][keep].view(np.int64),
        file_indexes=indexes,
        olt_results=None if olt is None else olt[keep],
    )
    places = np.arange(count, dtype=np.int64)[keep]
    return EventBlock(columns, places + line_first, lambda index: row(int(places[index])), unit)


def _plain(kind: pa.DataType) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _constant(count: int, value: int | None) -> _UInt64:
    return np.full(count, value or 0, np.uint64)


def _numbers(name: str, column: pa.Array, bad: _Bools) -> _UInt64:
    """Return a column as uint64, and mark what is null or out of its range."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        bad |= column.is_null().to_numpy(zero_copy_only=False)
        column = column.fill_null(0)
    if pa.types.is_decimal(column.type):
        return _decimals(name, column, bad)
    values = np.from_dlpack(column)
    if values.dtype.kind == "i" and name != "olt_result":  # its bits may come signed
        bad |= values < 0
    numbers: _UInt64 = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64).view(
        np.uint64
    )
    if NUMBER_MAXIMA[name] < 2**64 - 1:
        bad |= numbers > np.uint64(NUMBER_MAXIMA[name])
    return numbers


def _decimals(name: str, column: pa.Array, bad: _Bools) -> _UInt64:
    """Return decimals without a fraction as uint64, and mark what is out of range."""
    numbers = np.zeros(len(column), np.uint64)
    for index, value in enumerate(column.to_pylist()):
        try:
            numbers[index] = checked_number(name, int(value))
        except BadFieldError:
            bad[index] = True
    return numbers


def _file_ids(
    column: pa.Array | None, runs: _UInt64, defaults: Defaults, bad: _Bools
) -> tuple[list[str], _Indexes]:
    """Return distinct file ids and the index of each event's, and mark what is no file id."""
    if column is None and defaults.fuid_raw is not None:
        return [defaults.fuid_raw], np.zeros(len(runs), np.int64)
    if column is None:
        distinct, codes = np.unique(runs, return_inverse=True)
        return [defaults.fuid(int(run)) for run in distinct], codes.astype(np.int64)
    found, values, nulls = encoded(column)
    if nulls is not None:
        bad |= nulls
    texts = [_file_id(value) for value in values]
    if None in texts:
        bad |= np.array([text is None for text in texts])[found]
    return [text or "" for text in texts], found


# The files of many blocks are in one dictionary of the column.
@lru_cache(maxsize=_FILE_IDS_MAX)
def _file_id(value: object) -> str | None:
    """Return the file id that a value stands for, None for one that it is not."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        if len(value) == 16:
            return str(uuid.UUID(bytes=value))
        value = value.decode("ascii", "replace")
    text = str(value).strip()
    return text if is_canonical_uuid(text) else None


def _files(
    fuids: list[str], codes: _Indexes, dsids: _UInt64
) -> tuple[list[RawFile], npt.NDArray[np.uint32]]:
    """Return the files that are used and the index of each event's, from 1."""
    dsid_of = np.zeros(len(fuids), np.uint64)
    one = bool(len(dsids)) and dsids.min() == dsids.max()
    dsid_of[slice(None) if one else codes] = dsids[:1] if one else dsids
    if one or (dsid_of[codes] == dsids).all():
        used = np.bincount(codes, minlength=len(fuids)) > 0
        numbers = np.cumsum(used, dtype=np.uint32)
        chosen = np.flatnonzero(used).tolist()
        return [RawFile(fuids[i], int(dsid_of[i])) for i in chosen], numbers[codes]
    # A file id in several datasets: the service says what it thinks of it.
    keys = (codes.astype(np.uint64) << np.uint64(31)) | dsids
    distinct, indexes = np.unique(keys, return_inverse=True)
    low = np.uint64(2**31 - 1)
    files = [RawFile(fuids[int(key >> np.uint64(31))], int(key & low)) for key in distinct]
    return files, (indexes + 1).astype(np.uint32)


def _shown(value: object) -> object:
    """Return a value as the rules for single values take it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return int(value) if isinstance(value, Decimal) else value


def _problem(fields: Mapping[str, pa.Array], index: int, defaults: Defaults) -> str:
    """Return what is wrong with a row, by the rules for single values."""
    values: dict[str, object] = {}
    try:
        for name in ALL_FIELDS:
            if name in fields:
                value = fields[name][index].as_py()
                known = _file_id(value) if name == "fuid_raw" and value is not None else None
                told = name in FILE_FIELDS
                values[name] = file_value(name, value) if told else known or _shown(value)
        checked_event(values, defaults)
    except BadFieldError as error:
        return str(error)
    raise AssertionError(f"row {index} was marked as bad and is not")
