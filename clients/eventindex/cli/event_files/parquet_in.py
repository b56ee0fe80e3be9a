"""Parquet files as blocks of events. Needs pyarrow. Holds one record batch, never a row group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

from eventindex.cli.event_files.arrow_blocks import check_types, to_block
from eventindex.cli.event_files.rows import (
    Defaults,
    EventBlock,
    FileFormatError,
    Report,
    Row,
    places,
)

_BLOCK_EVENTS = 50_000
# Bytes read of a column at once, so that memory does not grow with the row groups.
_READ_BUFFER_BYTES = 1024 * 1024


def read_parquet(
    stream: BinaryIO, defaults: Defaults, report: Report, at: Callable[[float], None]
) -> Iterator[EventBlock]:
    """Yield the events of a Parquet file; rows are numbered from 1.

    Args:
        stream: can seek.
        defaults, report: as in `event_files.read_csv`.
        at: is told which fraction of the rows has been read, 0 to 1.

    Raises:
        FileFormatError: no Parquet file, or columns that do not fit.
        OSError: the file is damaged.
    """
    file, where = _open(stream, defaults)
    names = {name: file.schema_arrow.names[place] for name, place in where.items()}
    total = max(file.metadata.num_rows, 1)
    done = 0
    try:
        for batch in file.iter_batches(_BLOCK_EVENTS, columns=list(names.values())):
            fields = {name: batch.column(column) for name, column in names.items()}
            yield to_block(fields, done + 1, _row_of(batch), defaults, report, unit="row")
            done += batch.num_rows
            at(done / total)
    except pa.ArrowException as error:
        raise OSError(f"damaged: {error}") from error


def _open(stream: BinaryIO, defaults: Defaults) -> tuple[parquet.ParquetFile, dict[str, int]]:
    try:
        schema = parquet.read_schema(stream)
    except pa.ArrowException as error:
        raise FileFormatError(f"no Parquet file: {error}") from error
    where = places(schema.names, defaults)
    types = {name: schema.field(place).type for name, place in where.items()}
    check_types(types)
    # Repeated texts stay numbers from the file to the wire.
    text = [
        schema.names[where[name]]
        for name, kind in types.items()
        if pa.types.is_string(kind) or pa.types.is_binary(kind)
    ]
    stream.seek(0)
    # With pre_buffer whole row groups would be held.
    file = parquet.ParquetFile(
        stream, read_dictionary=text, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False
    )
    return file, where


def _row_of(batch: pa.RecordBatch) -> Callable[[int], Row]:
    def row(index: int) -> Row:
        values: dict[str, object] = batch.slice(index, 1).to_pylist()[0]
        return values

    return row
