"""Certificates that are renewed while a client lives, against a server that asks for them."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import eventindex
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.access.conftest import make
from tests.support.processes import wait_until


class Nothing(lookup_pb2_grpc.IndexServiceServicer):
    """An index without events."""

    def Lookup(self, request: Any, context: object) -> Any:  # noqa: N802  # as gRPC has it
        return lookup_pb2.LookupResponse(batch_id=request.batch_id)

    def LookupStream(self, requests: Any, context: object) -> Any:  # noqa: N802  # the same
        for request in requests:
            yield self.Lookup(request, context)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """An authority, and certificates of a server and a client."""
    make(tmp_path, "job")
    return tmp_path


@pytest.fixture
def address(files: Path) -> Iterator[str]:
    """A server that knows this authority, and no other one."""
    server = grpc.server(ThreadPoolExecutor(4))
    lookup_pb2_grpc.add_IndexServiceServicer_to_server(Nothing(), server)
    pair = [(files / name).read_bytes() for name in ("server.key", "server.pem")]
    credentials = grpc.ssl_server_credentials([pair], (files / "ca.pem").read_bytes(), True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"localhost:{port}"
    server.stop(None).wait()


@pytest.fixture
def client(files: Path, address: str) -> Iterator[eventindex.Client]:
    """One with a certificate of its own."""
    own = {"tls_cert": files / "job.pem", "tls_key": files / "job.key"}
    with eventindex.connect(address, tls_ca=files / "ca.pem", **own) as opened:
        yield opened


def answered(client: eventindex.Client) -> bool:
    try:
        client.lookup([], timeout=1)
    except eventindex.UnavailableError:
        return False
    return True


def test_a_certificate_that_was_read_between_two_writes(client, files) -> None:
    """Works once it is whole; nobody opens another client."""
    whole = (files / "job.pem").read_bytes()
    (files / "job.pem").write_bytes(whole[: len(whole) // 2])
    assert not answered(client)
    (files / "job.pem").write_bytes(whole)
    wait_until(lambda: answered(client), what="an answer with the whole certificate")


def test_a_renewed_certificate_is_shown_by_the_next_call(client, files, tmp_path_factory) -> None:
    """Here one that the server does not know; a stream goes on where it began."""
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stream = client.lookup_stream(iter(requests.get, None))
    requests.put([])
    assert len(next(stream)) == 0
    kept = {name: (files / name).read_bytes() for name in ("job.pem", "job.key")}
    other = tmp_path_factory.mktemp("other")
    make(other, "job")
    for name in kept:
        (files / name).write_bytes((other / name).read_bytes())
    wait_until(lambda: not answered(client), what="a refusal of another authority's certificate")
    requests.put([])
    assert len(next(stream)) == 0
    requests.put(None)
    assert list(stream) == []
    for name, content in kept.items():
        (files / name).write_bytes(content)
    wait_until(lambda: answered(client), what="an answer with the certificate of before")
