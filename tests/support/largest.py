"""The largest hostile message for each reader, and its cost: seconds of a core, memory at most.

`python -m tests.support.largest` reads each in a process of its own and prints a line of JSON each.
"""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from event_store.errors import CorruptPageError
from event_store.lookup.block import block_of
from event_store.pages.check import count_page
from event_store.pages.copy import FetchedPage
from event_store.pages.format import FUID_DTYPE, PackedPage, unpack
from eventindex.cli.event_files.json_array import elements
from eventindex.cli.event_files.rows import FileFormatError
from eventindex.limits import MESSAGE_BYTES_MAX
from eventindex.pair_lists.text import PairListError
from eventindex.v1 import lookup_pb2
from index_service.events_plan import plan_list
from index_service.lookup_plan import plan_lookup
from ingest_service.decode.batch import decode_payload
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.cosmic import decode_cosmic
from ingest_service.decode.json_events import decode_json
from ingest_service.model import MalformedBatchError
from ingest_service.rpc.requests import read_cosmic
from rest_gateway.lists.negotiate import BodyKind
from rest_gateway.lists.pair_lists import read_list
from rest_gateway.problems import Problem
from service_kit.errors import InvalidRequestError, MalformedRequestError
from service_kit.requests import parse
from service_kit.settings import PAIRS_PER_MESSAGE_MAX, Settings

MIB = 1 << 20
LIST_BYTES = 32 * MIB
REFUSED = (
    MalformedBatchError,
    MalformedRequestError,
    InvalidRequestError,
    CorruptPageError,
    FileFormatError,
    PairListError,
    Problem,
)
EVENT = (
    b'{"run_number":%d,"event_number":1,"olt_result":0,"dsid_raw":1,'
    b'"fuid_raw":"0f5c2d3e-0000-5000-8000-000000000001"}'
)


class Cost(NamedTuple):
    """What one message did: how it ended, and what it took beyond itself."""

    name: str
    outcome: str
    message_bytes: int
    seconds: float
    peak_bytes: int


def filled(
    piece: bytes, begin: bytes = b"", end: bytes = b"", size: int = MESSAGE_BYTES_MAX
) -> bytes:
    """A message of nearly a size, of one piece again and again."""
    return begin + piece * ((size - len(begin) - len(end)) // len(piece)) + end


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    low = [(number >> shift) & 127 | 128 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*low[:-1], low[-1] & 127])


def packed(field: int, numbers: bytes) -> bytes:
    """A packed list of numbers."""
    return bytes([field << 3 | 2]) + varint(len(numbers)) + numbers


def numbers_beyond(*fields: int) -> bytes:
    """Lists of more numbers than a message may have, of a byte each."""
    each = (MESSAGE_BYTES_MAX - 64) // len(fields)
    return b"".join(packed(field, b"\x01" * each) for field in fields)


def full_batch() -> bytes:
    """As many events as a message may have, each number of ten bytes, and the rest unknown."""
    ten = b"\xff" * 9 + b"\x01"
    columns = b"".join(packed(field, ten * PAIRS_PER_MESSAGE_MAX) for field in (3, 4, 6))
    files = b"\x12\x26\x0a\x24" + b"0f5c2d3e-0000-5000-8000-000000000001"
    known = files + columns + packed(5, b"\x01" * PAIRS_PER_MESSAGE_MAX)
    return known + packed(15, bytes(MESSAGE_BYTES_MAX - len(known) - 8))


def full_lookup() -> bytes:
    """As many pairs as a request may have in a list that is not packed, and the rest unknown."""
    known = b"".join(bytes([field << 3, 1]) * PAIRS_PER_MESSAGE_MAX for field in (2, 3))
    return known + packed(15, bytes(MESSAGE_BYTES_MAX - len(known) - 8))


def parquet_bomb() -> bytes:
    """A few kilobytes of Parquet that are 800 MB of numbers."""
    column = pa.DictionaryArray.from_arrays(np.zeros(50_000_000, np.int8), pa.array([7]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"run_number": column, "event_number": column}), sink)
    return sink.getvalue()


def text_list(data: bytes) -> None:
    """What the gateway reads of a list."""
    for block in read_list(io.BytesIO(data), BodyKind.LIST, None, lambda _: None):
        assert len(block.pairs.runs) <= PAIRS_PER_MESSAGE_MAX


def json_list(data: bytes) -> None:
    for _ in read_list(io.BytesIO(data), BodyKind.JSON, None, lambda _: None):
        pass


def page(planes: bytes, files: int, olt: bytes = b"", events: int = 8192) -> PackedPage:
    """A dense page of a size that PostgreSQL would give back."""
    fuids = np.zeros(files, FUID_DTYPE)
    return PackedPage(events, None, fuids, np.ones(files, np.int32), planes, olt)


def read_page(wrong: PackedPage) -> None:
    """Everything that reads pages; each of them refuses it."""
    for read in (unpack, lambda one: block_of([FetchedPage(1, 0, 1, one)])):
        try:
            read(wrong)
        except CorruptPageError:
            continue
        raise AssertionError("it was read")
    assert count_page(0, wrong).problems
    raise CorruptPageError("refused by all")


Case = tuple[Callable[[], Any], Callable[[Any], object]]


def cosmic(data: bytes) -> object:
    return decode_cosmic(data, "7", clocks_of(Settings(_env_file=None)))


def cosmic_request(data: bytes) -> object:
    return read_cosmic(data, clocks_of(Settings(_env_file=None)))


def list_request(data: bytes) -> object:
    return plan_list(parse(lookup_pb2.ListEventsRequest, data))


def load_array(data: bytes) -> None:
    for _ in elements(io.BytesIO(data[1:])):
        pass


CASES: dict[str, Case] = {
    "EventBatch, empty files": (lambda: filled(b"\x12\x00"), decode_payload),
    "EventBatch, too many numbers": (lambda: numbers_beyond(3, 4, 5, 6), decode_payload),
    "EventBatch, full, unknown bytes": (full_batch, decode_payload),
    "EventBatch, no message": (lambda: filled(b"\x1a\xff\xff\xff"), decode_payload),
    "JSON events, nested": (lambda: filled(b"["), decode_json),
    "JSON events, empty objects": (lambda: filled(b"{},", b"[", b"{}]"), decode_json),
    "JSON events, the smallest that count": (
        lambda: filled(EVENT % 1 + b",", b"[", EVENT % 1 + b"]"), decode_json,
    ),
    "JSON events, a long number": (lambda: filled(b"9", b'{"run_number":', b"}"), decode_json),
    "JSON events, a long string": (
        lambda: filled(b"\\u00e9", b'{"fuid_raw":"', b'"}'), decode_json,
    ),
    "JSON events, one key": (lambda: filled(b'"run_number":1,', b"{", b'"a":1}'), decode_json),
    "telescope, lines": (lambda: filled(b'{"RunNumber":1,"EventNumber":1}\n'), cosmic),
    "telescope, short lines": (lambda: filled(b"{\n"), cosmic),
    "telescope, nested": (lambda: filled(b'{"Data":'), cosmic),
    "telescope, array": (lambda: filled(b"{},", b"[", b"{}]"), cosmic),
    "telescope, one record": (lambda: filled(b"7,", b'{"Data":[', b"7]}"), cosmic),
    "LookupRequest, too many numbers": (lambda: numbers_beyond(2, 3), plan_lookup),
    "LookupRequest, a field twice": (lambda: filled(b"\x10\x01\x18\x01"), plan_lookup),
    "LookupRequest, full, unknown bytes": (full_lookup, plan_lookup),
    "LookupRequest, empty fields": (lambda: filled(b"\x7a\x00"), plan_lookup),
    "CosmicBatch, empty records": (lambda: filled(b"\x1a\x00"), cosmic_request),
    "CosmicBatch, records of no JSON": (lambda: filled(b"\x1a\x01{"), cosmic_request),
    "CosmicBatch, one record": (
        lambda: packed(3, filled(b"7,", b'{"Data":[', b"7]}", MESSAGE_BYTES_MAX - 16)),
        cosmic_request,
    ),
    "ListEventsRequest, empty ranges": (
        lambda: packed(1, filled(b"\x72\x00", size=MESSAGE_BYTES_MAX - 16)), list_request,
    ),
    "ListEventsRequest, the same selection": (lambda: filled(b"\x0a\x00"), list_request),
    "load, a string in an array": (lambda: filled(b"a", b'["', size=17 * MIB), load_array),
    "list, one line": (lambda: filled(b"1", size=LIST_BYTES), text_list),
    "list, comments": (lambda: filled(b"#\n", size=LIST_BYTES), text_list),
    "list, wrong lines": (lambda: filled(b"x\n", size=LIST_BYTES // 8), text_list),
    "list, pairs": (lambda: filled(b"1 1\n", size=LIST_BYTES // 4), text_list),
    "list, gzip of one line": (
        lambda: gzip.compress(filled(b"1", size=4 * LIST_BYTES), 1), text_list,
    ),
    "list, Parquet": (parquet_bomb, text_list),
    "list of JSON, nested": (lambda: filled(b"[", b'{"pairs":', size=LIST_BYTES), json_list),
    "list of JSON, a string": (lambda: filled(b"a", b'{"pairs":"', size=LIST_BYTES), json_list),
    "list of JSON, a number": (lambda: filled(b"1", b'{"pairs":[[', size=LIST_BYTES), json_list),
    "list of JSON, empty pairs": (
        lambda: filled(b"[],", b'{"pairs":[', b"[]]}", LIST_BYTES // 8), json_list,
    ),
    "page, long planes": (lambda: page(bytes(LIST_BYTES), 1), read_page),
    "page, many files": (lambda: page(b"\xff" * 15 * 1024, 4_000_000), read_page),
    "page, many criteria": (lambda: page(b"\xff" * 1024, 1, bytes(LIST_BYTES)), read_page),
}  # fmt: skip


def memory(name: str) -> int:
    """A size of this process out of /proc, in bytes: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def measure(name: str) -> Cost:
    """Read one message."""
    make, read = CASES[name]
    data = make()
    # The peak starts anew from what is held now.
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    before, began, outcome = memory("VmRSS"), time.process_time(), "read"
    try:
        read(data)
    except REFUSED as error:
        outcome = f"refused: {str(error)[:120]}"
    seconds = time.process_time() - began
    size = len(data) if isinstance(data, bytes) else len(data.file_planes) + len(data.olt_planes)
    return Cost(name, outcome, size, round(seconds, 2), max(0, memory("VmHWM") - before))


def main(names: list[str]) -> None:
    """Print what each message costs; one that kills its process fails the whole."""
    context = multiprocessing.get_context("fork")
    for name in names or CASES:
        with context.Pool(1) as pool:
            cost = pool.apply(measure, (name,))
        sys.stdout.write(f"{json.dumps(cost)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
