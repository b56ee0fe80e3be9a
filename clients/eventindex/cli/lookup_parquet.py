"""Lookup results as Parquet: row groups of a bounded size. Needs pyarrow."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from eventindex.results import LookupResult
from eventindex.text_rows import NAME_FIELDS, state_name
from eventindex.values import RawFile

_ROW_GROUP_PAIRS = 1_000_000
_TEXT = pa.dictionary(pa.int32(), pa.string())
_NAMES = {"name": _TEXT, "bytes": pa.int64(), "checksum": _TEXT, "url": _TEXT}


class ParquetWriter:
    """A row a pair, with the columns of the CSV; null where the event was not found."""

    def __init__(self, stream: BinaryIO, *, with_olt: bool, with_names: bool) -> None:
        fields: list[tuple[str, Any]] = [
            ("run_number", pa.int64()),
            ("event_number", pa.int64()),
            ("fuid_raw", _TEXT),
            ("dsid_raw", pa.int32()),
            ("dataset_state", _TEXT),
        ]
        fields += _NAMES.items() if with_names else ()
        fields += [("olt_result", pa.uint64())] if with_olt else ()
        self._schema = pa.schema(fields)
        self._with_names = with_names
        self._writer = parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._batches: list[pa.RecordBatch] = []
        self._count = 0

    def write(self, result: LookupResult) -> None:
        """Keep the answers up to a row group."""
        self._batches.append(self._to_batch(result))
        self._count += len(result)
        if self._count >= _ROW_GROUP_PAIRS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            table = pa.Table.from_batches(self._batches).unify_dictionaries()
            self._writer.write_table(table, row_group_size=max(1, self._count))
        self._batches, self._count = [], 0

    def _to_batch(self, result: LookupResult) -> pa.RecordBatch:
        columns = list(zip(*map(_values, result.files), strict=True))
        columns = columns or [()] * (3 + len(NAME_FIELDS))
        wanted = columns if self._with_names else columns[:3]
        types = self._schema.types[2 : 2 + len(wanted)]
        arrays = [pa.array(result.run_numbers), pa.array(result.event_numbers)]
        arrays += map(partial(_column, result), wanted, types)
        if result.olt_results is not None:
            arrays.append(pa.array(result.olt_results, mask=result.file_indexes == 0))
        return pa.record_batch(arrays, schema=self._schema)


def _values(file: RawFile) -> tuple[Any, ...]:
    """Return what is told of a file; what is not known is null."""
    noted = (getattr(file, field) or None for field in NAME_FIELDS)
    return (file.fuid_raw, file.dsid_raw, state_name(file), *noted)


def _column(result: LookupResult, of_files: tuple[Any, ...], kind: Any) -> Any:
    """Return the value of each pair's file."""
    none = result.file_indexes == 0
    places = pa.array(result.file_indexes.astype(np.int32) - 1, mask=none)
    if not pa.types.is_dictionary(kind):
        return pa.array(of_files, kind).take(places)
    return pa.array(of_files, pa.string()).take(places).dictionary_encode()
