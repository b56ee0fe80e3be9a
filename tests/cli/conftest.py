"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.support.client import Server, fuid
from tests.support.command import DATA, run
from tests.support.gateway import database
from tests.support.processes import PostgresServer, Service


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
    fill(index_address, ingest_address)
    found(monkeypatch, tmp_path, index_address, ingest_address)


@pytest.fixture(scope="session")
def _filled_once(postgres: PostgresServer, _template: str) -> Iterator[tuple[str, str]]:
    """Both services on the events of `filled`, which nobody changes."""
    with ExitStack() as end:
        url = end.enter_context(database(postgres, _template))
        services = [Service(name, database_url=url) for name in ("index_service", "ingest_service")]
        for service in services:
            end.callback(service.close)
            service.start()
        index, ingest = (service.address for service in services)
        fill(index, ingest)
        yield index, ingest


@pytest.fixture
def only_read(
    _filled_once: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The events of `filled`, for tests that change nothing: they share the services."""
    found(monkeypatch, tmp_path, *_filled_once)


def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, index: str, ingest: str) -> None:
    """Let commands find the services by the environment, in a directory of the test's own."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest)
    monkeypatch.chdir(tmp_path)


def fill(index: str, ingest: str) -> None:
    """Store the events of `filled`."""
    numbers = np.arange(1, 101)
    with eventindex.connect(index, ingest_address=ingest) as client:
        for number in (1, 2):
            files = [RawFile(fuid(number), 7), RawFile(fuid(number + 10), 8)]
            batch = EventColumns(
                files, [number], numbers, 2 - numbers % 2, numbers.astype(np.uint64)
            )
            list(client.ingest([batch]))
        client.set_criterion(0, "odd")
        client.set_criterion(1, "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest)
        assert run("load", str(DATA / "dump.dat")).exit_code == 0
