"""Packed columns of a protobuf message, encoded by NumPy.

`repeated uint64` and `uint32` fields are a tag, a length and one varint a value. Building them
from a Python list takes five times as long (measured, 10,000 event numbers: 340 µs against 65),
and fields of a message may be concatenated. Pure.
Format: Protocol Buffers documentation, "Encoding", varints and packed repeated fields.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LENGTH_DELIMITED = 2
_CONTINUED = np.uint8(0x80)


def packed_field(number: int, values: npt.NDArray[np.integer[Any]]) -> bytes:
    """A packed repeated field: nothing for no values, as protobuf has it.

    Args:
        number: of the field in the message, 1 to 15.
        values: not negative, any integer type, shape (n,).
    """
    if not len(values):
        return b""
    data = varints(values)
    size = varints(np.array([len(data)]))
    return bytes([number << 3 | _LENGTH_DELIMITED]) + size + data


def varints(values: npt.NDArray[np.integer[Any]]) -> bytes:
    """The values as varints, one after the other.

    Args:
        values: not negative, any integer type, shape (n,), n > 0.
    """
    top = int(values.max())
    width = max(1, (top.bit_length() + 6) // 7)
    if width == 1:
        return values.astype(np.uint8).tobytes()
    narrow: npt.NDArray[Any] = values.astype(np.uint32 if top < 1 << 32 else np.uint64)
    groups = np.empty((len(values), width), np.uint8)
    for place in range(width):
        groups[:, place] = narrow >> narrow.dtype.type(7 * place)
    groups |= _CONTINUED
    groups[:, -1] &= ~_CONTINUED
    keep = np.ones((len(values), width), bool)
    for place in range(1, width):
        keep[:, place] = narrow >= narrow.dtype.type(1 << 7 * place)
        groups[~keep[:, place], place - 1] &= ~_CONTINUED
    return groups.tobytes() if keep.all() else groups[keep].tobytes()
