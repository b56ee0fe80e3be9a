"""Answers and events as Parquet and Arrow streams, in pieces. Pure."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from io import BytesIO

import pyarrow as pa

# `text_rows` and `plain_tables` of the client are faster where it is loaded.
import pyarrow.compute
from pyarrow import parquet

from eventindex.frames import Picked, parquet_options, to_arrow
from eventindex.lookup_messages import decode
from eventindex.pairs import to_pairs
from eventindex.results import LookupResult, to_result
from eventindex.selection_results import Events
from eventindex.text_rows import FILE_FIELDS, compact
from eventindex.v1 import event_pb2
from rest_gateway.lists.block import PairError
from rest_gateway.lists.negotiate import Form

_TEXT = pa.dictionary(pa.int32(), pa.string())
_NAMES = (pa.field("file_name", _TEXT), pa.field("file_url", _TEXT))
_ERRORS = "errors"


def answer_tables(
    results: Iterable[LookupResult],
    form: Form,
    *,
    errors: Sequence[PairError],
    olt: bool,
    names: bool = False,
) -> Generator[bytes, None, None]:
    """Yield answers as a table in pieces, at least one for each result.

    Args:
        results: the answers, in order.
        form: Parquet, or Arrow's stream.
        errors: what in the list was no pair: goes into the metadata of the schema, as JSON.
        olt: whether the results have `olt_result`.
        names: whether there are columns for names and addresses of the files.
    """
    empty = to_result(to_pairs([]), decode(b""), with_olt_result=False).to_arrow().schema
    schema = _with(empty, _NAMES if names else ())
    schema = _with(schema, [pa.field("olt_result", pa.uint64())] if olt else ())
    schema = schema.with_metadata({_ERRORS: compact(list(errors))})
    return _pieces((result.to_arrow() for result in results), schema, form)


def event_tables(
    batches: Iterable[Events], form: Form, *, names: bool = False
) -> Generator[bytes, None, None]:
    """Yield events as a table in pieces, at least one for each batch.

    Args:
        batches: the events, in order.
        form: Parquet, or Arrow's stream.
        names: whether there are columns for what is noted of the files.
    """
    read = _named if names else Events.to_arrow
    schema = read(Events(event_pb2.EventBatch())).schema
    return _pieces((read(batch) for batch in batches), schema, form)


def _named(events: Events) -> pa.Table:
    table = events.to_arrow()
    noted = {
        field: Picked(
            events.file_indexes,
            [getattr(file, field.removeprefix("file_")) for file in events.files],
            text=field != "file_bytes",
        )
        for field in FILE_FIELDS
    }
    for field, column in zip(FILE_FIELDS, to_arrow(noted).columns, strict=True):
        table = table.append_column(field, column)
    return table


def _with(schema: pa.Schema, fields: Iterable[pa.Field]) -> pa.Schema:
    for field in fields:
        schema = schema.append(field)
    return schema


def _pieces(
    tables: Iterator[pa.Table], schema: pa.Schema, form: Form
) -> Generator[bytes, None, None]:
    buffer = BytesIO()
    with (
        parquet.ParquetWriter(buffer, schema, **parquet_options(schema.names))
        if form is Form.PARQUET
        else pa.ipc.new_stream(buffer, schema)
    ) as writer:
        for table in tables:
            writer.write_table(_as(table, schema))
            yield _drained(buffer)
    yield _drained(buffer)


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema; those that a table has not are null."""
    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.names).cast(schema)


def _drained(buffer: BytesIO) -> bytes:
    """Return what was written since the last time; the writer counts on by itself."""
    data = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return data
