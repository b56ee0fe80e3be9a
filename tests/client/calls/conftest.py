"""Fixtures of the tests of the client's calls: a real gRPC server that can be cut and held."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import eventindex
from tests.support.client import Server
from tests.support.client_calls import sample_store


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(sample_store())
    yield server
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[eventindex.Client]:
    with eventindex.connect(
        server.address, ingest_address=server.address, timeout=20, retry_seconds_max=20
    ) as client:
        yield client
