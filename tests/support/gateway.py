"""A gateway with what it stands before, and events to ask for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import eventindex
from eventindex.columns import EventColumns
from eventindex.results import RawFile
from eventindex.v1 import admin_pb2
from ingest_service.admin.tokens import create_without_service
from tests.conftest import execute
from tests.support.client import Server
from tests.support.processes import PostgresServer, Service

FILES = [str(uuid.UUID(int=number)) for number in range(1, 5)]
RUN_MAX, OLT_MAX = 2**63 - 1, 2**64 - 1
DUMP = Path(__file__).parents[1] / "data" / "dump.dat"


@dataclass
class Stack:
    """The processes, and a client of the gateway."""

    url: str
    ingest: Service
    index: Service
    gateway: Service
    http: httpx.Client


@contextmanager
def database(postgres: PostgresServer, template: str) -> Iterator[str]:
    """A migrated database of one's own."""
    name = f"gateway_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield postgres.url(name)
    execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def gateway(url: str, index: str, ingest: str = "127.0.0.1:1", **settings: object) -> Iterator:
    """A running gateway and a client of it."""
    service = Service(
        "rest_gateway", database_url=url, index_address=index, ingest_address=ingest, **settings
    )
    service.start()
    with httpx.Client(base_url=f"http://{service.address}", timeout=30) as http:
        yield service, http
    service.close()


@contextmanager
def full_stack(url: str, **of_index: object) -> Iterator[Stack]:
    """All services with the sample events; some settings of index_service."""
    with ExitStack() as stack:
        ingest = Service("ingest_service", database_url=url)
        stack.callback(ingest.close)
        index = Service("index_service", database_url=url, **of_index)
        stack.callback(index.close)
        ingest.start()
        index.start()
        service, http = stack.enter_context(gateway(url, index.address, ingest.address))
        store_samples(index.address, ingest.address)
        yield Stack(url, ingest, index, service, http)


def store_samples(index: str, ingest: str) -> None:
    """Runs 1 to 3 with 30 events each, an event of the largest numbers, a conflict, dump.dat."""
    files = [RawFile(fuid, 7 + place % 2) for place, fuid in enumerate(FILES)]
    events = list(range(30))
    with eventindex.connect(index, ingest_address=ingest) as client:
        batches = [
            EventColumns(files, run, events, [e // 10 + 1 for e in events], events)
            for run in (1, 2, 3)
        ]
        batches.append(EventColumns(files, [RUN_MAX], [RUN_MAX], [4], [OLT_MAX]))
        batches.append(EventColumns(files, [1], [0], [2], [5]))
        acks = list(client.ingest(batches))
        assert [ack.inserted for ack in acks] == [30, 30, 30, 1, 0]
        assert acks[-1].conflicts == 1
        lines = [line for line in DUMP.read_bytes().splitlines() if line.strip()]
        assert sum(ack.inserted for ack in client.ingest_cosmic([lines], detector_id="0")) == 3


def make_token(url: str, subject: str, *scopes: str) -> str:
    """The secret of a token that is made in the database."""
    request = admin_pb2.CreateTokenRequest(subject=subject, scopes=scopes, lifetime_seconds=600)
    return create_without_service(url, request).secret


def lines_of(answer: httpx.Response) -> list[dict]:
    """The objects of an NDJSON answer."""
    return [json.loads(line) for line in answer.text.splitlines()]


def no_hook(request, context) -> None:
    """Nothing happens."""


class FakeIndex(Server):
    """An index whose lookups of pairs a test holds or fails by `hook`; empty ones are answered."""

    def __init__(self, store) -> None:
        super().__init__(store)
        self.hook = no_hook
        plain = self.index.Lookup

        def hooked(request, context):
            if request.event_numbers:
                self.hook(request, context)
            return plain(request, context)

        self.index.Lookup = hooked
        self.stop()
        self.start()


API = "/api/v1"
TEXT = {"Content-Type": "text/plain"}
