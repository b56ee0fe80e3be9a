"""Columns encoded and decoded by NumPy are what protobuf reads and writes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from eventindex import lookup_messages
from eventindex.lookup_messages import decode
from eventindex.pairs import to_pairs
from eventindex.v1 import event_pb2, lookup_pb2
from eventindex.wire import packed_field, varint_values, varints
from index_service.lookup_plan import plan_lookup
from service_kit.errors import InvalidRequestError

values = st.lists(st.integers(0, 200) | st.integers(0, 2**64 - 1), max_size=50)
bits = st.sampled_from([7, 14, 21, 28, 29, 32, 49, 56, 57, 63, 64])


@given(values, bits)
def test_protobuf_reads_what_numpy_wrote(numbers, width):
    """Any column: the bytes are those of protobuf itself, canonical varints."""
    column = np.array([number % 2**width for number in numbers], np.uint64)
    message = event_pb2.EventBatch(event_numbers=column.tolist())
    assert packed_field(4, column) == message.SerializeToString()


@given(values, bits)
def test_numpy_reads_what_numpy_wrote(numbers, width):
    """Any column of numbers below 2^56 comes back; a larger one is left to protobuf."""
    column = np.array([0, *(number % 2**width for number in numbers)], np.uint64)
    found = varint_values(varints(column))
    if column.max() < 2**56:
        assert found is not None
        assert found.tolist() == column.tolist()
    else:
        assert found is None


@pytest.mark.parametrize("copies", [1, 200])
@settings(deadline=None, max_examples=50)
@given(values, bits)
def test_sorted_columns_are_written_and_read_as_protobuf_does(copies, numbers, width):
    """Ascending numbers, short and long, of one width and of several: the same bytes, the same
    numbers, and the low bits of each where the field is narrower."""
    column = np.sort(np.array([number % 2**width for number in numbers], np.uint64).repeat(copies))
    message = event_pb2.EventBatch(event_numbers=column.tolist())
    assert packed_field(4, column) == message.SerializeToString()
    found = varint_values(varints(column) if numbers else b"", np.uint32)
    if numbers and column[-1] >= 2**56:
        assert found is None
    else:
        assert found is not None
        assert found.tolist() == (column % 2**32).tolist()


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_varints_in_any_order_of_widths_are_read(widths):
    """Widths that go up and down, longer than they must be, are read as protobuf reads them."""
    data = b"".join(b"\x81" * (width - 1) + b"\x01" for width in widths)
    header = bytes([4 << 3 | 2, len(data) & 0x7F | 0x80, len(data) >> 7])
    found = varint_values(data)
    assert (found is None) == (max(widths) > 8)
    if found is not None:
        message = event_pb2.EventBatch.FromString(header + data)
        assert found.tolist() == list(message.event_numbers)
    assert varint_values(data + b"\x81") is None


@given(values, values, st.integers(0, 2**64 - 1), st.booleans())
def test_a_request_is_read_as_protobuf_reads_it(runs, events, batch_id, with_olt):
    """A serialized request gives the columns of the generated class, or its refusal."""
    runs = runs[:1] or [0]
    message = lookup_pb2.LookupRequest(
        batch_id=batch_id, run_numbers=runs, event_numbers=events, with_olt_result=with_olt
    )
    wrong = [n for n in (*runs, *events) if n >= 2**63]
    if wrong:
        with pytest.raises(InvalidRequestError, match=str(wrong[0])):
            plan_lookup(message.SerializeToString())
        return
    plan = plan_lookup(message.SerializeToString())
    assert (plan.batch_id, plan.with_olt) == (batch_id, with_olt)
    assert (plan.runs.tolist(), plan.events.tolist()) == (runs, events)


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x07\x1a\x02\x01\x02",  # run_numbers not packed
        b"\x12\x01\x07\x18\x01\x18\x02",  # event_numbers not packed
        b"\x12\x01\x07\x1a\x01\x01\x1a\x01\x02",  # event_numbers in two parts
        b"\x12\x01\x07\x1a\x02\x01\x02\x7a\x01x",  # a field that is not known
        b"\x1a\x02\x01\x02\x12\x01\x07\x08\x01\x08\x00",  # batch_id twice, columns turned round
        b"\x12\x02\x87\x00\x1a\x03\x81\x00\x02",  # varints longer than they must be
        b"\x12\x01\x07\x1a\x0b\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00\x02",  # ten bytes
        b"\x12\x01\x07\x1a\x02\x01\x02\x20\x00",
    ],
)
def test_unusual_requests_are_read_all_the_same(data):
    """What other clients may send by the rules of protobuf means run 7, events 1 and 2."""
    message = lookup_pb2.LookupRequest.FromString(data)
    assert (list(message.run_numbers), list(message.event_numbers)) == ([7], [1, 2])
    plan = plan_lookup(data)
    assert (plan.batch_id, plan.runs.tolist(), plan.events.tolist()) == (0, [7], [1, 2])
    assert not plan.with_olt


def test_a_request_of_very_many_fields_takes_little_memory():
    """Two bytes may stand for a field: a message of them must not become large objects."""
    data = b"\x12\x01\x07\x1a\x02\x01\x02" + b"\x1a\x00" * 20_000
    tracemalloc.start()
    try:
        assert plan_lookup(data).events.tolist() == [1, 2]
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_protobuf_reads_them(data):
    """Bytes that protobuf refuses are refused; others give its columns or a refusal by content."""
    try:
        message = lookup_pb2.LookupRequest.FromString(data)
    except DecodeError:
        with pytest.raises(InvalidRequestError):
            plan_lookup(data)
        return
    try:
        plan = plan_lookup(data)
    except InvalidRequestError as error:
        reason = str(error)
    else:
        reason = ""
    if reason:
        assert "not a LookupRequest" not in reason
        return
    assert plan.events.tolist() == list(message.event_numbers)
    assert plan.runs.tolist() == list(message.run_numbers)
    assert (plan.batch_id, plan.with_olt) == (message.batch_id, message.with_olt_result)


@pytest.mark.parametrize("files_first", [True, False])
@pytest.mark.parametrize("n", [0, 3, 300])
def test_a_response_is_read_whatever_the_order_of_its_fields(files_first, n):
    """Columns before the files, as the service sends them, or after, as protobuf does."""
    files = lookup_pb2.LookupResponse(files=[event_pb2.RawFile(fuid_raw="x", dsid_raw=300)] * n)
    rest = lookup_pb2.LookupResponse(
        batch_id=2**60,
        file_indexes=range(n),
        olt_results=[2**64 - 1 - i for i in range(n)],
        found=n,
        not_found=1,
    )
    parts = [files.SerializeToString(), rest.SerializeToString()]
    response = decode(b"".join(parts if files_first else reversed(parts)))
    assert (response.batch_id, response.found, response.not_found) == (2**60, n, 1)
    assert response.file_indexes.tolist() == list(range(n))
    assert response.olt_results.tolist() == list(rest.olt_results)
    assert len(response.files) == n


def test_a_client_request_is_what_protobuf_writes():
    """One run number for all pairs is sent once; the bytes are those of the generated class."""
    for runs in ([7, 7, 7], [7, 8, 2**40]):
        pairs = to_pairs((np.array(runs), np.array([1, 2**62, 3])))
        message = lookup_pb2.LookupRequest(
            batch_id=5,
            run_numbers=runs[:1] if len(set(runs)) == 1 else runs,
            event_numbers=[1, 2**62, 3],
            with_olt_result=True,
        )
        request = lookup_messages.encode(5, pairs, lookup_messages.Question(with_olt_result=True))
        assert request == (5, message.SerializeToString())
