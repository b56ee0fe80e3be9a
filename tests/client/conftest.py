"""Fixtures of the tests of the client."""

from __future__ import annotations

import pytest

import eventindex


@pytest.fixture
def client(index_address, ingest_address):
    with eventindex.connect(index_address, ingest_address=ingest_address) as client:
        yield client
