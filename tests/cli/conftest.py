"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.client import Server, fuid
from tests.support.command import DATA, run


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that the commands find by the environment; nothing else is on this machine."""
    server = Server({(1, event): (fuid(event % 2), 7, event) for event in range(1, 10)})
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", server.address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", server.address)
    monkeypatch.chdir(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def filled(
    index_address: str,
    ingest_address: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Runs 1 and 2 with 100 events each, odd ones in a file of dataset 7, and a telescope's run."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.chdir(tmp_path)
    numbers = np.arange(1, 101)
    with eventindex.connect() as client:
        for number in (1, 2):
            files = [RawFile(fuid(number), 7), RawFile(fuid(number + 10), 8)]
            batch = EventColumns(
                files, [number], numbers, 2 - numbers % 2, numbers.astype(np.uint64)
            )
            list(client.ingest([batch]))
        client.set_criterion(0, "odd")
        client.set_criterion(1, "two")
    assert run("load", str(DATA / "dump.dat")).exit_code == 0
