"""`EVENTINDEX_MODE=production`, anonymous lookups, and what goes to other machines in clear."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from eventindex.v1 import admin_pb2_grpc, lookup_pb2_grpc
from eventindex.v1.admin_pb2 import ListTokensRequest, UpdateDatasetRequest
from service_kit.outgoing import plain_broker, plain_database
from tests.conftest import execute
from tests.support.processes import Service
from tests.support.tokens import LOOKUP, outcome

OK = grpc.StatusCode.OK
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
def index_url(database_url: str) -> Iterator[str]:
    """The URL of a login with the rights of index_service."""
    login = f"index_{uuid.uuid4().hex[:8]}"
    execute(database_url, f"CREATE ROLE {login} LOGIN; GRANT eventindex_index TO {login}")
    yield database_url.replace("owner@", f"{login}@")
    execute(database_url, f"DROP OWNED BY {login}; DROP ROLE {login}")


def refusal(module: str, directory: Path, **settings: object) -> str:
    """What a service says that does not start."""
    service = Service(module, **settings)
    service.directory = directory
    try:
        service.start(wait="")
        assert service.process is not None
        assert service.process.wait(60) == 2, service.tail()
        return service.tail()
    finally:
        service.close()


@pytest.mark.parametrize("module", ["index_service", "ingest_service", "rest_gateway"])
def test_production_names_all_that_is_missing_at_once(module, database_url, tmp_path) -> None:
    """Whoever sets it up reads one list, and not the first of many errors."""
    (tmp_path / ".env").write_text("EVENTINDEX_LOG_LEVEL=debug\n")
    said = refusal(
        module,
        tmp_path,
        database_url=database_url,
        mqtt_url="mqtt://anna:zzsecret@192.0.2.1",
        mode="production",
        allow_anonymous="true",
    )
    assert ("EVENTINDEX_MQTT_URL: 192.0.2.1 is another" in said) is (module == "ingest_service")
    assert "zzsecret" not in said
    for words in ("EVENTINDEX_MODE=production", "EVENTINDEX_TLS_CERT", "EVENTINDEX_ALLOW_PLAINTEXT",
                  "EVENTINDEX_ALLOW_ANONYMOUS=true", "is a superuser", "/.env"):  # fmt: skip
        assert words in said


def test_production_serves_with_tokens_on_loopback_and_a_role_of_its_own(index_url) -> None:
    """With what it asks for it starts; nobody gets in without a token, wherever they are."""
    service = Service(
        "index_service", database_url=index_url, mode="production", allow_plaintext=True
    )
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            assert outcome(stub.Lookup.future(LOOKUP, timeout=20))[0] is UNAUTHENTICATED
    finally:
        service.close()


def test_anonymous_lookups_and_no_more(database_url) -> None:
    """EVENTINDEX_ALLOW_ANONYMOUS=lookup opens what the scope lookup does, on loopback too."""
    index = Service("index_service", database_url=database_url, allow_anonymous="lookup")
    ingest = Service("ingest_service", database_url=database_url, allow_anonymous="lookup")
    gateway = Service(
        "rest_gateway",
        database_url=database_url,
        allow_anonymous="lookup",
        index_address=index.address,
        ingest_address=ingest.address,
    )
    try:
        with (
            grpc.insecure_channel(index.start().address) as lookups,
            grpc.insecure_channel(ingest.start().address) as changes,
        ):
            stub = lookup_pb2_grpc.IndexServiceStub(lookups)
            assert outcome(stub.Lookup.future(LOOKUP, timeout=20))[0] is OK
            assert len(list(stub.LookupStream(iter([LOOKUP]), timeout=20))) == 1
            bad = (("authorization", "Bearer eix_" + "A" * 43),)
            refused = stub.Lookup.future(LOOKUP, timeout=20, metadata=bad)
            assert outcome(refused)[0] is UNAUTHENTICATED
            admin = admin_pb2_grpc.AdminServiceStub(changes)
            for call, request in (
                (admin.ListTokens, ListTokensRequest()),
                (admin.UpdateDataset, UpdateDatasetRequest(dsid_raw=1)),
            ):
                assert outcome(call.future(request, timeout=20))[0] is UNAUTHENTICATED
            batches = changes.stream_stream("/eventindex.v1.IngestService/Ingest")
            with pytest.raises(grpc.RpcError, match="a token is needed"):
                list(batches(iter(()), timeout=20))
        with httpx.Client(base_url=f"http://{gateway.start().address}", timeout=30) as http:
            assert http.get("/api/v1/runs").status_code == 200
            assert http.get("/api/v1/dead-letters").status_code == 401
    finally:
        gateway.close()
        index.close()
        ingest.close()


@pytest.mark.parametrize(
    ("url", "is_plain"),
    [
        ("postgresql://u:p@127.0.0.1/x", False),
        ("postgresql://u:p@localhost:5433/x", False),
        ("postgresql:///x?host=/run/postgresql", False),
        ("postgresql:///x", False),
        ("postgresql://u:p@db.example.org/x", True),
        ("postgresql://u:p@db.example.org/x?sslmode=require", True),
        ("postgresql://u:p@db.example.org/x?sslmode=verify-ca", True),
        ("postgresql://u:p@db.example.org/x?sslmode=verify-full", False),
        ("postgresql://u:p@127.0.0.1,192.0.2.1/x", True),
        ("host=192.0.2.1 dbname=x", True),
    ],
)
def test_a_database_elsewhere_is_asked_over_tls(url: str, is_plain: bool) -> None:
    """Nobody on the way reads the password, or answers in the database's place."""
    found = plain_database(url)
    assert (found is not None) is is_plain
    assert "u:p" not in (found or "")
    assert ":p@" not in (found or "")


@pytest.mark.parametrize(
    ("url", "is_plain"),
    [
        ("mqtt://u:p@192.0.2.1", True),
        ("mqtts://u:p@192.0.2.1", False),
        ("mqtt://u:p@127.0.0.1:1", False),
        ("mqtt://broker", True),
    ],
)
def test_a_broker_elsewhere_is_asked_over_tls(url: str, is_plain: bool) -> None:
    """The same of the broker."""
    assert (plain_broker(url) is not None) is is_plain


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mqtt_url": "mqtt://u:hidden@192.0.2.1"}, "EVENTINDEX_MQTT_URL: 192.0.2.1 is another"),
        ({"database_url": "postgresql://u:hidden@192.0.2.1/x"}, "add sslmode=verify-full"),
    ],
)
def test_a_service_does_not_send_passwords_in_clear(
    database_url, tmp_path, settings, words
) -> None:
    """It ends at once, and names the host and not the password."""
    said = refusal("ingest_service", tmp_path, **({"database_url": database_url} | settings))
    assert words in said
    assert "hidden" not in said
