"""How many elements the lists of a message have, counted in its bytes before any object is made.

Of a repeated message or text two bytes make an object of 32 to 48 bytes: 16 MiB of them took
384 MiB (measured, protobuf 7.36). Looks at lengths and tags alone, and stops at the first list that
is too long. Pure.
Format: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, cast

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from eventindex.limits import PAIRS_PER_MESSAGE_MAX
from eventindex.wire import count_varints

_VARINT, _FIXED64, _LENGTH_DELIMITED, _GROUP, _GROUP_END, _FIXED32 = range(6)
_CONTINUED = 0x80
_VARINT_BYTES_MAX = 10
# Seven lists of 100,000 elements that are not packed. Fields beyond them take time, not memory.
FIELDS_MAX = 700_000
# protobuf's own limit.
_DEPTH_MAX = 100

_FIXED_WIDTHS = {
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_WHOLE = (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


class _Field(NamedTuple):
    """A list, or a message with lists inside. `width`: of a packed element, bytes; 0: a varint."""

    key: str
    name: str
    repeated: bool
    packable: bool
    width: int
    inner: Descriptor | None


class _EndOfData(Exception):  # noqa: N818  # ends the count, and is no error
    """The bytes are no message: for protobuf to refuse."""


def excess(data: bytes, kind: type[Message], elements_max: int) -> str | None:
    """Return what of a serialized message is too much, None where nothing is.

    Args:
        data: a message; what is none is for protobuf to refuse.
        kind: what it is read as.
        elements_max: of each list, those of its inner messages together.

    Returns:
        The name of the first list that is too long, with how long, as the begin of a sentence.
    """
    # An element takes a byte or more.
    if len(data) <= elements_max:
        return None
    counter = _Counter(data, elements_max)
    try:
        return counter.count(0, len(data), cast("Descriptor", kind.DESCRIPTOR), _DEPTH_MAX)
    except (IndexError, _EndOfData):
        return None


def check(data: bytes, kind: type[Message]) -> None:
    """Refuse an answer with a list that is longer than any answer's.

    Raises:
        google.protobuf.message.DecodeError: names the list.
    """
    too_much = excess(data, kind, PAIRS_PER_MESSAGE_MAX)
    if too_much:
        raise DecodeError(f"{too_much}; a message has at most {PAIRS_PER_MESSAGE_MAX}")


def may_have_more(data: bytes, number: int, elements_max: int) -> bool:
    """Return whether a field, 1 to 15, of messages or texts may occur more often; never a false no.

    Counts the bytes that such a field can begin with: 100 times faster than to walk the fields.
    """
    if len(data) <= elements_max:
        return False
    begins = np.frombuffer(data, np.uint8) & 0x7F == number << 3 | _LENGTH_DELIMITED
    return int(np.count_nonzero(begins)) > elements_max


class _Counter:
    """One message: its bytes and what was counted so far."""

    def __init__(self, data: bytes, elements_max: int) -> None:
        self._data = data
        self._view = memoryview(data)
        self._elements_max = elements_max
        self._counts: dict[str, int] = {}
        self._fields = 0

    def count(self, at: int, end: int, kind: Descriptor, depth: int) -> str | None:
        """Count the fields from one place to another; what is too much."""
        data, known = self._data, _fields_of(kind)
        fields_left = FIELDS_MAX - self._fields
        while at < end:
            fields_left -= 1
            if fields_left < 0:
                return f"the message has more than {FIELDS_MAX} fields"
            # The common case, read without a call: 100,000 files take 100,000 turns of this loop.
            tag, at = (data[at], at + 1) if data[at] < _CONTINUED else self._number(at)
            if tag & 7 == _LENGTH_DELIMITED:
                size, start = (data[at], at + 1) if data[at] < _CONTINUED else self._number(at)
                at = start + size
            else:
                start, at = at, self._end_of_number(at, tag & 7)
            if at > end:
                raise _EndOfData
            field = known.get(tag >> 3)
            if field is None:
                continue
            self._fields = FIELDS_MAX - fields_left
            found = self._add(field, tag & 7, start, at, depth)
            if found is not None:
                return found
            fields_left = FIELDS_MAX - self._fields
        return None

    def _add(self, field: _Field, wire: int, start: int, end: int, depth: int) -> str | None:
        """Note the elements of one occurrence of a field, and of the lists inside of it."""
        if field.repeated:
            elements = 1
            if field.packable and wire == _LENGTH_DELIMITED:
                packed = self._view[start:end]
                elements = len(packed) // field.width if field.width else count_varints(packed)
            total = self._counts[field.key] = self._counts.get(field.key, 0) + elements
            if total > self._elements_max:
                # A packed list is counted to its end; of others what comes later is not looked at.
                many = f"{total}" if elements > 1 else f"more than {self._elements_max}"
                return f"{field.name} has {many} elements"
        if field.inner is None or wire != _LENGTH_DELIMITED or not depth:
            return None
        return self.count(start, end, field.inner, depth - 1)

    def _end_of_number(self, at: int, wire: int) -> int:
        """Return where the value of a field that has no length ends."""
        if wire == _VARINT:
            return at + 1 if self._data[at] < _CONTINUED else self._number(at)[1]
        # Fields inside a group count like those beside it: no message here has groups.
        sizes = {_FIXED64: 8, _FIXED32: 4, _GROUP: 0, _GROUP_END: 0}
        if wire not in sizes:
            raise _EndOfData
        return at + sizes[wire]

    def _number(self, at: int) -> tuple[int, int]:
        """Return a varint, and where it ends."""
        value = 0
        for shift in range(0, 7 * _VARINT_BYTES_MAX, 7):
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < _CONTINUED:
                return value, at
        raise _EndOfData


@cache
def _fields_of(kind: Descriptor) -> Mapping[int, _Field]:
    """Return the fields of a message that have to be counted or looked into."""
    found = {}
    for field in kind.fields:
        inner = field.message_type if _has_lists(field.message_type, ()) else None
        if field.is_repeated or inner is not None:
            found[field.number] = _Field(
                field.full_name,
                field.name,
                field.is_repeated,
                field.type not in _WHOLE,
                _FIXED_WIDTHS.get(field.type, 0),
                inner,
            )
    return found


def _has_lists(kind: Descriptor | None, above: tuple[str, ...]) -> bool:
    """Return whether a message has a list, at any depth."""
    if kind is None or kind.full_name in above:
        return False
    inside = (*above, kind.full_name)
    return any(field.is_repeated or _has_lists(field.message_type, inside) for field in kind.fields)
