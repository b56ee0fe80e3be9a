"""Columns read by NumPy are those that the generated class reads."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from eventindex.v1 import event_pb2
from eventindex.wire_decode import decode_batch, from_message


def columns(bits):
    near = st.sampled_from([0, 1, 127, 128, 2**14 - 1, 2**14, 2**21, 2**28, 2**35, 2**56, 2**63])
    values = near.map(lambda value: value % 2**bits) | st.integers(0, 2**bits - 1)
    return st.lists(values | st.integers(0, 300), max_size=40)


batches = st.builds(
    event_pb2.EventBatch,
    batch_id=st.just(0) | st.integers(0, 2**64 - 1),
    files=st.lists(st.builds(event_pb2.RawFile, fuid_raw=st.text(max_size=200)), max_size=3),
    run_numbers=columns(63),
    event_numbers=columns(63),
    file_indexes=columns(32),
    olt_results=columns(64),
)


def same(columns, message):
    wanted = from_message(message)
    assert list(columns.files) == list(wanted.files)
    for found, expected in zip(columns[1:], wanted[1:], strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@settings(deadline=None)
@given(batches)
def test_any_batch_is_read_as_protobuf_reads_it(message):
    """The columns of any message: short and long varints, mixed and of one width."""
    same(decode_batch(message.SerializeToString()), message)


@settings(deadline=None)
@given(batches, batches)
def test_columns_in_pieces_are_joined(first, second):
    """Two messages one after the other are one message, as protobuf has it."""
    data = first.SerializeToString() + second.SerializeToString()
    same(decode_batch(data), event_pb2.EventBatch.FromString(data))


@pytest.mark.parametrize(
    "data",
    [
        bytes([4 << 3, 5]),  # unpacked
        bytes([4 << 3 | 2, 2, 0x80, 0]),  # zero in two bytes
        bytes([5 << 3 | 2, 6, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),  # more than 32 bits
        bytes([4 << 3 | 2, 0]),  # an empty column
        bytes([4 << 3 | 2, 0x81, 0, 7]),  # a length in two bytes
        bytes([0x9A, 6, 1, 7]),  # a field of a newer contract
    ],
)
def test_unusual_encodings_are_read_too(data):
    """What other encoders may write is read as protobuf reads it."""
    same(decode_batch(data), event_pb2.EventBatch.FromString(data))


@settings(deadline=None)
@given(batches, st.data())
def test_a_message_that_is_cut_is_refused_or_read_as_protobuf_reads_it(message, draw):
    """No cut message is taken for a whole one."""
    whole = message.SerializeToString()
    data = whole[: draw.draw(st.integers(0, len(whole)))]
    try:
        wanted = event_pb2.EventBatch.FromString(data)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_batch(data)
    else:
        same(decode_batch(data), wanted)


@pytest.mark.parametrize("padding", [1, 4, 5, 9, 10, 20])
def test_a_length_in_more_bytes_than_it_takes_is_read_as_protobuf_reads_it(padding):
    """However many bytes follow that say nothing: read or refused, as protobuf has it."""
    data = bytes([4 << 3 | 2, 0x81, *[0x80] * (padding - 1), 0, 7])
    try:
        wanted = event_pb2.EventBatch.FromString(data)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_batch(data)
    else:
        same(decode_batch(data), wanted)


@pytest.mark.slow
def test_a_message_of_very_many_files_is_refused_before_they_are_objects():
    """Two bytes may stand for a file: more of them than a batch has never become objects."""
    file = bytes([event_pb2.EventBatch.DESCRIPTOR.fields_by_name["files"].number << 3 | 2, 0])
    assert len(decode_batch(file * 100_000).files) == 100_000
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="files has more than 100000 elements"):
            decode_batch(file * 8_000_000)
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()
