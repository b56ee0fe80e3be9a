"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Server, fuid


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the commands find by the environment; nothing else is on this machine."""
    server = Server({(1, event): (fuid(event % 2), 7, event) for event in range(1, 10)})
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", server.address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", server.address)
    monkeypatch.chdir(tmp_path)
    yield server
    server.stop()
