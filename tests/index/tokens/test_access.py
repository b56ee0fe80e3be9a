"""Access tokens at the services: who may call what, and when a token is asked for."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import eventindex
from eventindex.v1 import (
    lookup_pb2_grpc,
)
from service_kit.auth import access_rule, bearer_token
from service_kit.settings import Settings
from tests.support.tokens import (
    ANSWERED,
    CONTRACTS,
    DENIED,
    LOOKUP,
    NOT_VALID,
    STRANGER,
    UNAUTHENTICATED,
    Stack,
    bearer,
    calls,
    open_service,
    outcome,
)

# Who is let in


@pytest.mark.parametrize("name", ["index", "ingest"])
def test_no_method_answers_without_a_token(stack: Stack, name: str) -> None:
    """Every method of the contract, whatever its kind, and reflection ask who is calling."""
    with stack.channel(name) as channel:
        for path, call in calls(channel, name):
            code, text = outcome(call(()))
            assert (code, "a token is needed" in text) == (UNAUTHENTICATED, True), path
            assert outcome(call(bearer(STRANGER))) == (UNAUTHENTICATED, NOT_VALID), path
        other = channel.stream_unary("/eventindex.v1.IndexService/None")
        assert outcome(other.future(iter(())))[0] is UNAUTHENTICATED
        with pytest.raises(grpc.RpcError, match="a token is needed"):
            ProtoReflectionDescriptorDatabase(channel).get_services()


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (["lookup"], {"IndexService"}),
        (["ingest"], {"IngestService"}),
        (["lookup", "ingest"], {"IndexService", "IngestService"}),
        (["admin"], {"IndexService", "IngestService", "AdminService"}),
    ],
)
def test_a_scope_opens_its_service_and_admin_opens_all(
    stack: Stack, scopes: list[str], may: set[str]
) -> None:
    """A token is good for every method of the services of its scopes, and one that takes any."""
    metadata = bearer(stack.token(*scopes))
    for name in CONTRACTS:
        with stack.channel(name) as channel:
            for path, call in calls(channel, name):
                code, text = outcome(call(metadata))
                service = path.split("/")[1].rpartition(".")[2]
                is_for_any = path == "/eventindex.v1.AdminService/IngestStatus"
                assert (code is not DENIED) == (service in may or is_for_any), path
                assert code is not UNAUTHENTICATED, path
                if code is DENIED:
                    assert text.startswith(f"the token is for {', '.join(scopes)}: "), path


def test_probes_need_no_token_and_watching_does(stack: Stack) -> None:
    """Health's Check is open to probes; its Watch, which holds a place, is not."""
    request = health_pb2.HealthCheckRequest(service="eventindex.v1.IndexService")
    with stack.channel("index") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(request, timeout=20).status == health_pb2.HealthCheckResponse.SERVING
        assert outcome(health.Watch(request, timeout=20))[0] is UNAUTHENTICATED
        watching = health.Watch(request, timeout=20, metadata=bearer(stack.token("lookup")))
        assert next(watching).status == health_pb2.HealthCheckResponse.SERVING
        watching.cancel()


def test_reflection_takes_any_token(stack: Stack) -> None:
    """grpcurl and buf curl find the services with a token of any scope."""
    metadata = bearer(stack.token("ingest"))
    with stack.channel("index") as channel:
        for version in ("v1", "v1alpha"):
            method = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            )
            code, _ = outcome(method(iter(()), metadata=metadata, timeout=20))
            assert code is (grpc.StatusCode.UNIMPLEMENTED if version == "v1" else ANSWERED)


@pytest.mark.parametrize(
    ("metadata", "secret"),
    [
        ([("authorization", "Bearer x")], "x"),
        ([("a", "b"), ("authorization", "bearer x")], "x"),
        ([("authorization", "Basic x")], None),
        ([("authorization", "Bearer ")], None),
        ([("authorization", "x")], None),
        ([("authorization", "Bearer x"), ("authorization", "Bearer y")], None),
        ([("authorization-bin", b"Bearer x")], None),
        ([], None),
    ],
)
def test_a_token_is_the_one_bearer_entry(metadata: Any, secret: str | None) -> None:
    """The scheme is Bearer in any case, and two tokens are none."""
    assert bearer_token(metadata) == secret


# When tokens are asked for

TLS = {"tls_cert": "c", "tls_key": "k"}


@pytest.mark.parametrize(
    ("settings", "address", "tokens", "reason"),
    [
        ({}, "127.0.0.1:1", False, "this machine alone"),
        ({}, "[::1]:1", False, "this machine alone"),
        ({"require_tokens": True}, "127.0.0.1:1", True, "REQUIRE_TOKENS"),
        ({}, "0.0.0.0:1", True, "others reach the address"),
        ({"allow_plaintext": True}, "0.0.0.0:1", True, "others reach the address"),
        ({"tls_cert": "c", "tls_key": "k"}, "host:1", True, "others reach the address"),
        ({"allow_anonymous": True}, "0.0.0.0:1", False, "ALLOW_ANONYMOUS"),
        ({"allow_anonymous": "lookup"}, "127.0.0.1:1", True, "but for looking up"),
        ({"mode": "production"}, "127.0.0.1:1", True, "production"),
        (
            TLS | {"tls_client_ca": "a", "tls_client_subjects": "CN=a=lookup"},
            "127.0.0.1:1",
            True,
            "CLIENT_SUBJECTS",
        ),
        ({"tls_cert": "c", "tls_key": "k", "tls_client_ca": "a"}, "[::]:1", False, "certificate"),
        (
            {"tls_cert": "c", "tls_key": "k", "tls_client_ca": "a", "require_tokens": True},
            "[::]:1",
            True,
            "REQUIRE_TOKENS",
        ),
    ],
)
def test_who_reaches_a_service_decides_whether_it_asks(
    settings: dict[str, Any], address: str, tokens: bool, reason: str
) -> None:
    """Tokens are off on loopback and by name only."""
    rule = access_rule(Settings(_env_file=None, **settings), address)
    assert rule.tokens is tokens
    assert reason in rule.reason


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"allow_plaintext": "true"}, UNAUTHENTICATED),
        ({"allow_plaintext": "true", "allow_anonymous": "true"}, ANSWERED),
    ],
)
def test_an_open_address_asks_unless_told_by_name(
    database_url: str, settings: dict[str, str], code: grpc.StatusCode
) -> None:
    """Leave for plaintext is no leave for everybody, and the log says which holds."""
    service = open_service("index_service", database_url=database_url, **settings)
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            assert outcome(stub.Lookup.future(LOOKUP, timeout=20))[0] is code
        assert ("calls need a token" in service.tail()) == (code is UNAUTHENTICATED)
        assert ("EVENTINDEX_ALLOW_ANONYMOUS" in service.tail()) == (code is ANSWERED)
    finally:
        service.close()


def test_a_client_certificate_stands_in_for_a_token(stack: Stack) -> None:
    """With mutual TLS a certificate of the CA may do everything, and nobody gets in without one."""
    files = stack.certificates
    service = open_service(
        "index_service",
        database_url=stack.database_url,
        tls_cert=files / "server.pem",
        tls_key=files / "server.key",
        tls_client_ca=files / "ca.pem",
    )
    own = {"tls_cert": files / "client.pem", "tls_key": files / "client.key"}
    try:
        address = service.start().address
        with eventindex.connect(address, tls_ca=files / "ca.pem", **own) as client:
            assert client.lookup([(1, 1)]).not_found == 1
        token = stack.token("admin")
        with (
            eventindex.connect(
                address, tls_ca=files / "ca.pem", token=token, retry_seconds_max=0
            ) as client,
            pytest.raises(eventindex.UnavailableError),
        ):
            client.lookup([(1, 1)])
    finally:
        service.close()
