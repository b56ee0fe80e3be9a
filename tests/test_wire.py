"""Columns encoded by NumPy are what protobuf reads."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eventindex.v1 import event_pb2
from eventindex.wire import packed_field

values = st.lists(st.integers(0, 200) | st.integers(0, 2**64 - 1), max_size=50)


@given(values, st.sampled_from([7, 14, 21, 32, 63, 64]))
def test_protobuf_reads_what_numpy_wrote(numbers, bits):
    """Any column: the bytes are those of protobuf itself, canonical varints."""
    column = np.array([number % 2**bits for number in numbers], np.uint64)
    message = event_pb2.EventBatch(event_numbers=column.tolist())
    assert packed_field(4, column) == message.SerializeToString()
