"""Columns of an EventBatch, decoded by NumPy from the bytes of the message. Pure.

Going through the generated class makes a Python integer of every value. Everything but the packed
columns goes to the generated class, and so does the whole message where a column is not as
encoders write it: in several pieces, unpacked, or with varints of more than eight bytes; and where
more files come than any batch has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.limits import PAIRS_PER_MESSAGE_MAX
from eventindex.v1 import event_pb2
from eventindex.wire import count_varints, varint_values
from eventindex.wire_counts import check

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
# Up to this many files and runs are kept as objects; each takes more memory than its bytes.
_HEAD_MAX = 200_000
# A length written in more bytes than this is of 4 GiB or padded: leave it to protobuf.
_LENGTH_BYTES_MAX = 5
_HEAD = {_FIELDS[name].number << 3 | 2 for name in ("files", "run_numbers")}


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
        google.protobuf.message.DecodeError: the bytes are no EventBatch, or have a list that is
            longer than any batch's.
    """
    columns: list[npt.NDArray[Any] | None] = [None, None, None]
    at, view = 0, memoryview(data)
    head: list[bytes] = []
    while at < len(data):
        tag = data[at]
        start, size = _length(data, at + 1)
        end = start + size
        known = tag in _HEAD or tag in _COLUMNS
        if end > len(data) or not known or len(head) == _HEAD_MAX:
            return _decode_message(data)
        if tag in _COLUMNS:
            place, dtype = _COLUMNS[tag]
            column = view[start:end]
            if count_varints(column) > PAIRS_PER_MESSAGE_MAX:
                return _decode_message(data)
            values = varint_values(column, dtype)
            if values is None or columns[place] is not None:
                return _decode_message(data)
            columns[place] = values
        else:
            head.append(data[at:end])
        at = end
    rest_of_data = b"".join(head)
    check(rest_of_data, event_pb2.EventBatch)
    rest = event_pb2.EventBatch.FromString(rest_of_data)
    events, files, olt = columns
    return BatchColumns(
        rest.files,
        np.array(rest.run_numbers, np.int64),
        np.empty(0, np.int64) if events is None else events,
        np.empty(0, np.uint32) if files is None else files,
        np.empty(0, np.uint64) if olt is None else olt,
    )


def _decode_message(data: bytes) -> BatchColumns:
    check(data, event_pb2.EventBatch)
    return from_message(event_pb2.EventBatch.FromString(data))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return a length, and where what it measures begins: beyond the data where it does not end."""
    size = 0
    for place, byte in enumerate(data[at : at + _LENGTH_BYTES_MAX]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + place + 1, size
    return len(data) + 1, 0
