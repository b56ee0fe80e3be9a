"""Columns of an EventBatch, decoded by NumPy from the bytes of the message. Pure.

Going through the generated class makes a Python integer of every value; here a value takes 3 ns
(measured). Everything but the packed columns goes to the generated class, and so does
the whole message where a column is not as encoders write it: in several pieces, unpacked, or
with varints of more than eight bytes.
Format: Protocol Buffers documentation, "Encoding", varints and packed repeated fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.v1 import event_pb2

_FIELDS = event_pb2.EventBatch.DESCRIPTOR.fields_by_name
_COLUMNS = {
    _FIELDS[name].number << 3 | 2: (place, np.dtype(dtype))
    for place, (name, dtype) in enumerate(
        (
            ("event_numbers", np.int64),
            ("file_indexes", np.uint32),
            ("olt_results", np.uint64),
        )
    )
}
_HEAD = {_FIELDS[name].number << 3 | 2 for name in ("files", "run_numbers")}
# Eight groups of seven bits: no value overflows a column of 64 bits.
_BYTES_PER_VALUE_MAX = {8: 8, 4: 4}


class BatchColumns(NamedTuple):
    """The fields of an EventBatch; columns as they stood in it, `run_numbers` one or n."""

    files: Sequence[event_pb2.RawFile]
    run_numbers: npt.NDArray[np.int64]
    event_numbers: npt.NDArray[np.int64]
    file_indexes: npt.NDArray[np.uint32]
    olt_results: npt.NDArray[np.uint64]


def from_message(message: event_pb2.EventBatch) -> BatchColumns:
    """Return the columns of a parsed message."""
    return BatchColumns(
        message.files,
        np.array(message.run_numbers, np.int64),
        np.array(message.event_numbers, np.int64),
        np.array(message.file_indexes, np.uint32),
        np.array(message.olt_results, np.uint64),
    )


def decode_batch(data: bytes) -> BatchColumns:
    """Return the columns of a serialized message.

    Raises:
        google.protobuf.message.DecodeError: the bytes are no EventBatch.
    """
    columns: list[npt.NDArray[Any] | None] = [None, None, None]
    at = 0
    head = []
    while at < len(data):
        tag = data[at]
        start, size = _length(data, at + 1)
        end = start + size
        if end > len(data) or not (tag in _HEAD or tag in _COLUMNS):
            return from_message(event_pb2.EventBatch.FromString(data))
        if tag in _COLUMNS:
            place, dtype = _COLUMNS[tag]
            values = varints(data, start, end, dtype)
            if values is None or columns[place] is not None:
                return from_message(event_pb2.EventBatch.FromString(data))
            columns[place] = values
        else:
            head.append(data[at:end])
        at = end
    rest = event_pb2.EventBatch.FromString(b"".join(head))
    events, files, olt = columns
    return BatchColumns(
        rest.files,
        np.array(rest.run_numbers, np.int64),
        np.empty(0, np.int64) if events is None else events,
        np.empty(0, np.uint32) if files is None else files,
        np.empty(0, np.uint64) if olt is None else olt,
    )


def varints(data: bytes, start: int, end: int, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Return the varints in a part of some bytes; None where no encoder writes them so."""
    packed = np.frombuffer(data, np.uint8, end - start, start)
    last = packed < 0x80
    count = int(np.count_nonzero(last))
    if count == len(packed):
        return packed.astype(dtype)
    if not last[-1]:
        return None
    width, rest = divmod(len(packed), count)
    if (
        not rest
        and width <= _BYTES_PER_VALUE_MAX[dtype.itemsize]
        and last[width - 1 :: width].all()
    ):
        return _joined([packed[place::width] for place in range(width)], dtype)
    ends = np.flatnonzero(last)
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    width = int((ends - starts).max()) + 1
    if width > _BYTES_PER_VALUE_MAX[dtype.itemsize]:
        return None
    groups = [packed.take(starts)]
    for _ in range(1, width):
        starts += 1
        group = packed.take(starts, mode="clip")
        group *= starts <= ends
        groups.append(group)
    return _joined(groups, dtype)


def _joined(groups: list[npt.NDArray[np.uint8]], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Groups of seven bits, the lowest first, as values."""
    small = np.dtype(np.uint16 if len(groups) <= 2 else np.uint32 if len(groups) <= 4 else dtype)
    values = (groups[0] & 0x7F).astype(small)
    for place, group in enumerate(groups[1:], 1):
        values |= (group & 0x7F).astype(small) << small.type(7 * place)
    return values.astype(dtype)


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length, and where what it measures begins: beyond the data where it is cut off."""
    size = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at, size
        shift += 7
    return at + 1, 0
