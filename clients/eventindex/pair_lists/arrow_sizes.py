"""How large the batches of an Arrow list are without their compression, before it is undone.

A few bytes may stand for gigabytes. Reads of each message the table RecordBatch (FlatBuffers, by
the layout in Arrow's Message.fbs) and, of each compressed buffer, the length in front of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import ipc

_FILE_MAGIC_BYTES = 8
# Places of fields in their tables.
_MESSAGE_HEADER = 2
_BATCH_BUFFERS, _BATCH_COMPRESSION = 2, 3
_DICTIONARY_BATCH_DATA = 1


def expanded_sizes(file: BinaryIO, *, is_file: bool) -> Iterator[int]:
    """Yield the size of each message of an Arrow list, in bytes.

    Raises:
        ArrowInvalid: it is damaged.
    """
    # An Arrow file is a stream of messages between a magic word and a table of contents.
    file.seek(_FILE_MAGIC_BYTES if is_file else 0)
    reader = ipc.MessageReader.open_stream(pa.PythonFile(file, "r"))
    while True:
        try:
            message = reader.read_next_message()
        except (StopIteration, EOFError):
            return
        yield _expanded_size(message)


def _expanded_size(message: Any) -> int:
    body = message.body
    size = 0 if body is None else body.size
    if body is None or message.type not in {"record batch", "dictionary", "dictionary batch"}:
        return size
    data = message.metadata.to_pybytes()
    try:
        batch = _table(data, unpack_from("<I", data)[0], _MESSAGE_HEADER)
        if batch is not None and message.type != "record batch":
            batch = _table(data, batch, _DICTIONARY_BATCH_DATA)
        if batch is None or _field(data, batch, _BATCH_COMPRESSION) is None:
            return size
        buffers = _table(data, batch, _BATCH_BUFFERS)
        if buffers is None:
            return size
        (count,) = unpack_from("<I", data, buffers)
        for place in range(count):
            offset, length = unpack_from("<qq", data, buffers + 4 + 16 * place)
            # -1 in front of a buffer: it is stored as it is.
            if length >= 8:
                size += max(0, unpack_from("<q", body, offset)[0])
    except Exception as error:
        raise pa.ArrowInvalid(f"a batch is not laid out as Arrow's: {error}") from error
    return size


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a field of a FlatBuffers table is; None where it has its default."""
    vtable = table - unpack_from("<i", data, table)[0]
    (vtable_bytes,) = unpack_from("<H", data, vtable)
    place = 4 + 2 * number
    if place >= vtable_bytes:
        return None
    (offset,) = unpack_from("<H", data, vtable + place)
    return table + offset if offset else None


def _table(data: bytes, table: int, number: int) -> int | None:
    """Return where the table or vector of a field begins."""
    place = _field(data, table, number)
    return None if place is None else place + unpack_from("<I", data, place)[0]
