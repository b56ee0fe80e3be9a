"""What the tests of `load` share: events, the bytes of files that hold them, the command."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import eventindex
from eventindex.cli.event_files.fields import FIELDS
from eventindex.cli.event_files.parquet_in import read_parquet
from eventindex.cli.event_files.rows import BadRow, Defaults, EventBlock

Event = tuple[int, int, int, int, str]


def fuid(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


EVENTS: list[Event] = [
    (5 + event % 2, event, event * 2**52, 7 + event % 2, fuid(event % 2)) for event in range(3000)
]


def columns(events: list[Event]) -> dict[str, list[int] | list[str]]:
    return dict(zip(FIELDS, map(list, zip(*events, strict=True)), strict=True))


def csv_text(events: list[Event]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([FIELDS, *events])
    return out.getvalue().encode()


def json_text(events: list[Event]) -> bytes:
    lines = [json.dumps(dict(zip(FIELDS, event, strict=True))) for event in events]
    return "\n".join(lines).encode()


def parquet_bytes(fields: dict[str, pa.Array], **options: object) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(fields), out, **options)
    return out.getvalue()


def parquet_text(events: list[Event], file_ids: pa.DataType | None = None) -> bytes:
    values = columns(events)
    texts = values["fuid_raw"]
    if file_ids is None:
        ids = pa.array(texts)
    elif pa.types.is_dictionary(file_ids):
        ids = pa.array(texts).dictionary_encode()
    else:
        ids = pa.array([uuid.UUID(text).bytes for text in texts], pa.binary(16))
        ids = ids if file_ids == pa.binary(16) else pa.ExtensionArray.from_storage(file_ids, ids)
    fields = {
        "run_number": pa.array(values["run_number"], pa.int32()),
        "event_number": pa.array(values["event_number"], pa.int16()),
        "olt_result": pa.array(values["olt_result"], pa.uint64()),
        "dsid_raw": pa.array(values["dsid_raw"], pa.uint8()),
        "fuid_raw": ids,
    }
    return parquet_bytes(fields, row_group_size=700)


def zst(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    return out.getvalue().to_pybytes()


def index_has(events: list[Event]) -> None:
    """Check that the index answers for each event with its file, dataset and bits."""
    values = columns(events)
    with eventindex.connect() as client:
        pairs = (np.array(values["run_number"]), np.array(values["event_number"]))
        found = client.lookup(pairs, with_olt_result=True)
    assert found.fuids().tolist() == values["fuid_raw"]
    assert found.dsids().tolist() == values["dsid_raw"]
    assert found.olt_results is not None
    assert found.olt_results.tolist() == values["olt_result"]


def read(reader: Callable[..., Any], data: bytes, **given: Any) -> tuple[list, list[BadRow]]:
    bad: list[BadRow] = []
    blocks = reader(io.BytesIO(data), Defaults(**given), bad.append, *[lambda _: None][
        : reader is read_parquet])  # fmt: skip
    return [event for block in blocks for event in events_of(block)], bad


def events_of(block: EventBlock) -> list[tuple]:
    parts = block.columns
    olt = np.zeros(len(block), np.uint64) if parts.olt_results is None else parts.olt_results
    runs = np.broadcast_to(parts.run_numbers, len(block))
    files = [parts.files[place - 1][:2] for place in np.asarray(parts.file_indexes).tolist()]
    return [
        (run, event, bits, dsid, name)
        for run, event, bits, (name, dsid) in zip(
            runs.tolist(), np.asarray(parts.event_numbers).tolist(),
            np.asarray(olt).tolist(), files, strict=True,
        )
    ]  # fmt: skip
