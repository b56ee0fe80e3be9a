"""Events as Parquet: file ids as a dictionary, row groups of a bounded size. Needs pyarrow.

A row group is written in a thread of its own while the next one comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from eventindex.columns import EventColumns
from eventindex.frames import parquet_options
from eventindex.selection_results import Events
from eventindex.values import RawFile

_ROW_GROUP_EVENTS = 500_000
_SCHEMA = pa.schema(
    [
        ("run_number", pa.int64()),
        ("event_number", pa.int64()),
        ("olt_result", pa.uint64()),
        ("dsid_raw", pa.int32()),
        ("fuid_raw", pa.dictionary(pa.int32(), pa.string())),
    ]
)
_TEXT = pa.dictionary(pa.int32(), pa.string())
_FILE_COLUMNS = (
    pa.field("file_name", _TEXT),
    pa.field("file_bytes", pa.int64()),
    pa.field("file_checksum", _TEXT),
)


class ParquetEvents:
    """Collects blocks of events up to a row group and writes it. Use it as a context manager."""

    def __init__(self, stream: BinaryIO, *, names: bool = False) -> None:
        """Write to a stream; with `names` also what is known of the files."""
        self._schema = pa.schema([*_SCHEMA, *_FILE_COLUMNS]) if names else _SCHEMA
        self._writer = parquet.ParquetWriter(
            stream, self._schema, **parquet_options(self._schema.names)
        )
        self._thread = ThreadPoolExecutor(1, "eventindex-parquet")
        self._written: Future[None] | None = None
        self._batches: list[pa.RecordBatch] = []
        self._count = 0

    def __enter__(self) -> ParquetEvents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._thread:
            if error is None:
                self._flush()
                self._wait()
        self._writer.close()

    def write(self, block: EventColumns | Events) -> None:
        """Take the events of a block; each column has one value an event."""
        self._batches.append(_to_batch(block, self._schema))
        self._count += len(block)
        if self._count >= _ROW_GROUP_EVENTS:
            self._flush()

    def _flush(self) -> None:
        """Let the thread write what has come, once it is done with what came before."""
        self._wait()
        if self._batches:
            self._written = self._thread.submit(self._write, self._batches, self._count)
        self._batches, self._count = [], 0

    def _wait(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def _write(self, batches: Sequence[pa.RecordBatch], events: int) -> None:
        table = pa.Table.from_batches(batches).unify_dictionaries()
        self._writer.write_table(table, row_group_size=events)


def _to_batch(block: EventColumns | Events, schema: pa.Schema) -> pa.RecordBatch:
    indexes = np.asarray(block.file_indexes).astype(np.int32) - 1
    dsids = np.array([file.dsid_raw for file in block.files], np.int32)
    fuids = pa.array([file.fuid_raw for file in block.files], pa.string())
    return pa.record_batch(
        [
            pa.array(np.asarray(block.run_numbers)),
            pa.array(np.asarray(block.event_numbers)),
            pa.array(np.asarray(block.olt_results)),
            pa.array(dsids[indexes]),
            pa.DictionaryArray.from_arrays(indexes, fuids),
            *(_known_of(block.files, indexes) if len(schema) > len(_SCHEMA) else ()),
        ],
        schema=schema,
    )


def _known_of(files: Sequence[RawFile], indexes: npt.NDArray[np.int32]) -> Iterator[pa.Array]:
    """Yield the columns of names, sizes and checksums; what is not known is null."""
    names, checksums = [file.name for file in files], [file.checksum for file in files]
    told: Sequence[Sequence[str | int]] = (names, [file.bytes for file in files], checksums)
    for field, values in zip(_FILE_COLUMNS, told, strict=True):
        text = pa.types.is_dictionary(field.type)
        known = pa.array([value or None for value in values], pa.string() if text else field.type)
        taken = known.take(pa.array(indexes))
        yield taken.dictionary_encode() if text else taken
