"""Lists are counted in the bytes of a message: too long ones never become objects."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire_counts import excess, may_have_more
from ingest_service.decode.batch import parse_batch
from ingest_service.decode.clocks import Clocks
from ingest_service.model import MalformedBatchError, Reason
from ingest_service.rpc.requests import read_cosmic

BATCH = event_pb2.EventBatch
NUMBERS = st.lists(st.integers(0, 2**64 - 1), max_size=9)
FILES = st.lists(
    st.builds(event_pb2.RawFile, fuid_raw=st.text("0f-\x12", max_size=40), dsid_raw=st.just(18)),
    max_size=9,
)


def _unpacked(number: int, values: list[int]) -> bytes:
    """A list of numbers, each with its tag, as some encoders write it."""
    written = [BATCH(batch_id=value).SerializeToString()[1:] or b"\0" for value in values]
    return b"".join(bytes([number << 3]) + data for data in written)


@given(NUMBERS, NUMBERS, NUMBERS, FILES, st.integers(0, 20))
def test_counts_are_those_of_protobuf(packed, unpacked, runs, files, elements_max):
    """A message is refused when a list is longer than the limit, however the list is written."""
    batch = BATCH(batch_id=3, files=files, run_numbers=runs, event_numbers=packed)
    data = batch.SerializeToString() + _unpacked(4, unpacked) + b"\x78\x01"
    read = BATCH.FromString(data)
    counts = len(read.files), len(read.run_numbers), len(read.event_numbers)
    too_much = max(counts) > elements_max
    assert (excess(data, BATCH, elements_max) is not None) == too_much
    assert may_have_more(data, 2, elements_max) or counts[0] <= elements_max


@given(st.binary(max_size=60), st.integers(0, 5))
def test_no_bytes_are_too_much_for_the_count(data, elements_max):
    """Bytes that protobuf reads with short lists pass; nothing but a sentence comes of the rest."""
    found = excess(data, BATCH, elements_max)
    try:
        read = BATCH.FromString(data)
    except DecodeError:
        return
    lengths = [
        len(value)
        for field, value in read.ListFields()
        if field.is_repeated and field.type != FieldDescriptor.TYPE_GROUP
    ]
    if max(lengths, default=0) > elements_max:
        assert found is not None


def test_lists_inside_of_messages_are_counted_together():
    """Many inner messages with short lists are as much as one with a long list."""
    channel = event_pb2.TdcChannel(data=range(60))
    event = event_pb2.CosmicEvent(tdc={"a": channel, "b": channel})
    data = lookup_pb2.GetCosmicEventsResponse(events=[event]).SerializeToString()
    kind = lookup_pb2.GetCosmicEventsResponse
    assert excess(data, kind, 120) is None
    assert excess(data, kind, 119) == "data has 120 elements"


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"\x12\x00" * 200_000, "files has more than 100000 elements"),
        (b"\x92\x00\x00" * 200_000, "files has more than 100000 elements"),
        (b"\x20\x00" * 200_000, "event_numbers has more than 100000 elements"),
        (b"\x22\xc0\x9a\x0c" + bytes(200_000), "event_numbers has 200000 elements"),
        (b"\x08\x00" * 800_000, "the message has more than 700000 fields"),
    ],
)
def test_a_batch_with_a_list_too_long_is_too_large(payload, sentence):
    """The reason is the list, named with the limit, in whatever way it was written."""
    with pytest.raises(MalformedBatchError, match=sentence) as error:
        parse_batch(payload)
    assert error.value.reason is Reason.TOO_LARGE


def test_telescope_records_too_many_are_too_large():
    """The same for the records of a telescope over gRPC."""
    with pytest.raises(MalformedBatchError, match="records has more than 100000 elements") as error:
        read_cosmic(b"\x1a\x00" * 200_000, Clocks(date(2000, 1, 1)))
    assert error.value.reason is Reason.TOO_LARGE


_MEASURE = r"""
import json, resource, sys
from eventindex.lookup_messages import decode as decode_answer
from eventindex.v1 import admin_pb2
from eventindex.wire_decode import decode_batch as decode_listed
from index_service.lookup_plan import plan_lookup
from ingest_service.decode.batch import parse_batch
from ingest_service.rpc.requests import read_cosmic
from service_kit import registry

admin = {m.name: m for m in admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods}
size = 16 << 20
def short(tag): return bytes([tag, 0]) * (size // 2)
def packed(tag): return bytes([tag]) + b"\x80\x80\x80\x08" + bytes(size)
decoders = {
    "batch": (parse_batch, [short(0x12), short(0x20), packed(0x22)]),
    "lookup": (plan_lookup, [short(0x18), packed(0x1A), packed(0x12) * 2]),
    "cosmic": (lambda data: read_cosmic(data, None), [short(0x1A)]),
    "token": (registry._reader(admin["CreateToken"]), [short(0x12)]),
    "answer": (decode_answer, [short(0x12), short(0x18), packed(0x1A)]),
    "listed": (decode_listed, [short(0x12), short(0x20), packed(0x22)]),
}
kib = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, accepted = kib(), []
for name, (decode, attacks) in decoders.items():
    for number, attack in enumerate(attacks):
        try:
            decode(attack)
            accepted.append((name, number))
        except Exception as error:
            assert "elements" in str(error) or "pairs" in str(error), error
json.dump({"accepted": accepted, "mib": (kib() - before) / 1024}, sys.stdout)
"""


@pytest.mark.slow
def test_no_message_costs_much_more_than_a_legal_one_of_its_size():
    """16 MiB of the shortest elements: refused by every decoder within 64 MiB above the message."""
    answer = subprocess.run(
        [sys.executable, "-c", _MEASURE], check=True, capture_output=True, text=True
    )
    measured = json.loads(answer.stdout)
    assert measured["accepted"] == []
    assert measured["mib"] < 64, measured
