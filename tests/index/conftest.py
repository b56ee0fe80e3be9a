"""Fixtures of the tests of index_service."""

from __future__ import annotations

import grpc
import pytest

from eventindex.v1 import lookup_pb2_grpc
from tests.support.cosmic import LIMIT, sender


@pytest.fixture
def stub(index_address):
    """A client of a running index_service."""
    limit = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]
    with grpc.insecure_channel(index_address, limit) as channel:
        grpc.channel_ready_future(channel).result(10)
        yield lookup_pb2_grpc.IndexServiceStub(channel)


@pytest.fixture
def ingest(ingest_address):
    """A function that sends records of a detector and returns the acknowledgement."""
    with grpc.insecure_channel(ingest_address, LIMIT) as channel:
        yield sender(channel)
