"""Fixtures of the tests of the client."""

from __future__ import annotations

import pytest

import eventindex
from tests.support.command import run


@pytest.fixture
def client(index_address, ingest_address):
    with eventindex.connect(index_address, ingest_address=ingest_address) as client:
        yield client


@pytest.fixture
def command(index_address, ingest_address, monkeypatch, tmp_path):
    """Run a command that finds the services by the environment, in a directory of its own."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.chdir(tmp_path)
    return run
