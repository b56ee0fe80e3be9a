"""Whatever bytes come, a reader takes them, or refuses them in its own words; nothing else.

Each reader gets messages with a structure, cut, doubled and changed, for some seconds
(EVENTINDEX_FUZZ_SECONDS for all together, `make fuzz`).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_store.errors import CorruptPageError
from event_store.lookup.block import block_of
from event_store.pages.check import count_page
from event_store.pages.copy import FetchedPage
from event_store.pages.format import FUID_DTYPE, PackedPage, PageEvents, pack, unpack
from eventindex.v1 import event_pb2, lookup_pb2
from index_service.lookup_plan import plan_lookup
from ingest_service.decode.batch import decode_payload
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.cosmic import decode_cosmic
from ingest_service.decode.json_events import decode_json
from ingest_service.model import MalformedBatchError
from rest_gateway.lists.negotiate import BodyKind
from rest_gateway.lists.pair_lists import read_list
from rest_gateway.problems import Problem
from service_kit.errors import InvalidRequestError
from service_kit.settings import Settings

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("EVENTINDEX_FUZZ_SECONDS", "60"))
FUID = "0f5c2d3e-0000-5000-8000-000000000001"
CLOCKS = clocks_of(Settings(_env_file=None))

numbers = st.one_of(
    st.integers(0, 20), st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
)
texts = st.one_of(st.text(max_size=40), st.sampled_from([FUID, FUID.upper(), "", "raw", "\0", "٣"]))
loose = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-(2**65), 2**65), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
field_names = st.sampled_from(
    [
        "run_number",
        "event_number",
        "olt_result",
        "dsid_raw",
        "fuid_raw",
        "collection",
        "file_name",
        "file_bytes",
        "RunNumber",
        "EventNumber",
        "DetectorId",
        "CosmicBlock",
        "TriggerBits",
        "Timestamp",
        "Data",
        "Calib",
        "pairs",
    ]
)
objects = st.dictionaries(field_names, st.one_of(numbers, loose), max_size=9)
events = st.builds(
    lambda run, event, more: {
        "run_number": run, "event_number": event, "olt_result": 0, "dsid_raw": 1, "fuid_raw": FUID
    } | more,
    numbers, numbers, objects,
)  # fmt: skip


@st.composite
def changed(draw, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of a message: as they are, cut, or with some of them doubled, removed or replaced."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        to = draw(st.integers(at, min(len(data), at + 16)))
        kind = draw(st.integers(0, 3))
        piece = (
            draw(st.binary(max_size=8)) if kind == 0 else data[at:to] * kind if kind < 3 else b""
        )
        data = data[:at] + piece + data[to:]
    return data


batches = st.builds(
    lambda files, runs, events, places, olt, name: event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=dsid % 2**32) for fuid, dsid in files],
        run_numbers=runs, event_numbers=events, file_indexes=[p % 2**32 for p in places],
        olt_results=olt, collection=name,
    ).SerializeToString(),
    st.lists(st.tuples(texts, numbers), max_size=3), *[st.lists(numbers, max_size=6)] * 4, texts,
)  # fmt: skip
lookups = st.builds(
    lambda runs, events, name: lookup_pb2.LookupRequest(
        run_numbers=runs, event_numbers=events, collection=name
    ).SerializeToString(),
    st.lists(numbers, max_size=6), st.lists(numbers, max_size=6), texts,
)  # fmt: skip
json_bytes = st.one_of(events, objects, st.lists(st.one_of(events, loose), max_size=4), loose).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
)
lines = st.lists(json_bytes, min_size=1, max_size=4).map(b"\n".join)
pair_lines = st.lists(
    st.tuples(numbers, st.sampled_from([" ", ",", ":", "/", ";", "\t", "  ", ""]), numbers).map(
        lambda one: "{}{}{}".format(*one).encode()
    ),
    max_size=6,
).map(b"\n".join)


@st.composite
def pages(draw) -> PackedPage:
    """A stored page that something has damaged."""
    slots = np.array(draw(st.lists(st.integers(0, 8191), min_size=1, max_size=20, unique=True)))
    files = draw(st.integers(1, 4))
    events = PageEvents(
        slots=np.sort(slots).astype(np.uint16),
        file_index=(np.arange(len(slots)) % files).astype(np.uint16),
        olt=np.array(draw(st.lists(numbers, min_size=len(slots), max_size=len(slots))), np.uint64),
        fuids=np.frombuffer(random.Random(1).randbytes(16 * files), FUID_DTYPE),
        dsids=np.ones(files, np.int32),
    )
    page = pack(events)
    return replace(
        page,
        n_events=draw(st.one_of(st.just(page.n_events), st.integers(0, 8192))),
        slots=draw(st.sampled_from([page.slots, None])),
        file_planes=draw(changed(st.just(page.file_planes))),
        olt_planes=draw(changed(st.just(page.olt_planes))),
    )


def read_page(page: PackedPage) -> None:
    """Everything that reads pages."""
    for read in (
        lambda: unpack(page),
        lambda: count_page(0, page),
        lambda: block_of([FetchedPage(1, 0, 1, page)]),
    ):
        with contextlib.suppress(CorruptPageError):
            read()


def read_body(kind: BodyKind) -> Callable[[bytes], object]:
    """What reads a list of pairs of one kind."""
    return lambda data: list(read_list(io.BytesIO(data), kind, None, lambda _: None))


def variants(data: object) -> Iterator[object]:
    """The data, and of bytes some more that differ in a few places: cheaper than new ones."""
    yield data
    chance = random.Random(repr(data))
    for _ in range(50 if isinstance(data, bytes) and data else 0):
        changed_bytes = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed_bytes[chance.randrange(len(changed_bytes))] = chance.randrange(256)
        yield bytes(changed_bytes)


READERS: dict[str, tuple[st.SearchStrategy, Callable[..., object], tuple[type[Exception], ...]]] = {
    "EventBatch": (changed(batches), decode_payload, (MalformedBatchError,)),
    "JSON events": (changed(json_bytes), decode_json, (MalformedBatchError,)),
    "telescope": (
        changed(lines), lambda data: decode_cosmic(data, "7", CLOCKS), (MalformedBatchError,)
    ),
    "LookupRequest": (changed(lookups), plan_lookup, (InvalidRequestError,)),
    "list, text": (changed(pair_lines), read_body(BodyKind.LIST), (Problem,)),
    "list, JSON": (changed(json_bytes), read_body(BodyKind.JSON), (Problem,)),
    "page": (pages(), read_page, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_no_bytes_surprise_a_reader(name):
    """A reader answers any bytes, or raises what its callers know; it never fails otherwise."""
    strategy, read, known = READERS[name]
    runs = 0

    @settings(
        max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def once(data):
        nonlocal runs
        for variant in variants(data):
            runs += 1
            with contextlib.suppress(*known):
                read(variant)

    until = time.monotonic() + SECONDS / len(READERS)
    while time.monotonic() < until:
        once()
    log.warning("%s: %d runs", name, runs)
