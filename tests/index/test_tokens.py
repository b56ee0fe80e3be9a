"""Access tokens: real services behind real TLS, who may call what, and how tokens come and go."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import datetime
import hashlib
import itertools
import queue
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from click.testing import CliRunner, Result
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

import eventindex
from event_store.admin.tokens import AccessToken
from event_store.database.migrate import migrate
from event_store.errors import StoreUnavailableError
from event_store.write.writer import Store
from eventindex.cli import main
from eventindex.token import find_token
from eventindex.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    ingest_pb2,
    lookup_pb2,
    lookup_pb2_grpc,
)
from ingest_service.admin.tokens import create_without_service
from service_kit.auth import TokenCache, access_rule, bearer_token
from service_kit.settings import Settings
from tests.conftest import execute, query
from tests.support.admin import FILES, columns
from tests.support.ingest import make_certificates
from tests.support.processes import PostgresServer, Service, free_port, wait_until

CACHE_S = 0.5
NOT_VALID = "the token is not valid: unknown, expired or revoked"
STRANGER = "eix_" + "A" * 43
LOOKUP = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
ANSWERED = grpc.StatusCode.OK
DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
CONTRACTS = {
    "index": [lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]],
    "ingest": [
        ingest_pb2.DESCRIPTOR.services_by_name["IngestService"],
        admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
    ],
}


class Stack(NamedTuple):
    """Both services as others reach them: on all addresses, with TLS, so with tokens."""

    database_url: str
    certificates: Path
    index: Service
    ingest: Service

    def address(self, name: str) -> str:
        return (self.index if name == "index" else self.ingest).address

    def token(self, *scopes: str, lifetime_s: int = 60, subject: str = "tester") -> str:
        """The secret of a new token, made as the first one is."""
        return make(self.database_url, *scopes, lifetime_s=lifetime_s, subject=subject)

    @contextlib.contextmanager
    def channel(self, name: str) -> Iterator[grpc.Channel]:
        credentials = grpc.ssl_channel_credentials((self.certificates / "ca.pem").read_bytes())
        with grpc.secure_channel(self.address(name), credentials) as channel:
            yield channel

    def connect(self, token: str | None = None) -> eventindex.Client:
        return eventindex.connect(
            self.index.address,
            ingest_address=self.ingest.address,
            tls_ca=self.certificates / "ca.pem",
            token=token,
            retry_seconds_max=0,
        )


@pytest.fixture(scope="module")
def stack(postgres, _template, tmp_path_factory) -> Iterator[Stack]:
    certificates = tmp_path_factory.mktemp("tokens")
    make_certificates(certificates)
    execute(postgres.url(), f"CREATE DATABASE tokens TEMPLATE {_template}")
    url = postgres.url("tokens")
    tls = {"tls_cert": certificates / "server.pem", "tls_key": certificates / "server.key"}
    index = open_service("index_service", database_url=url, token_cache_s=CACHE_S, **tls)
    # This one remembers its tokens for longer than the tests take.
    ingest = open_service("ingest_service", database_url=url, token_cache_s=600, **tls)
    yield Stack(url, certificates, index.start(), ingest.start())
    index.close()
    ingest.close()
    execute(postgres.url(), "DROP DATABASE tokens WITH (FORCE)")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token and no leave of this machine's reaches the tests."""
    for name in ("TOKEN", "TOKEN_FILE", "ALLOW_PLAINTEXT", "TOKEN_LIFETIME_MAX_S"):
        monkeypatch.delenv(f"EVENTINDEX_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def open_service(module: str, **settings: object) -> Service:
    """A service that listens on all addresses of the machine."""
    service = Service(module, **settings)
    name = module.removesuffix("_service").upper()
    service.settings[f"EVENTINDEX_{name}_ADDRESS"] = f"0.0.0.0:{service.port}"
    return service


def make(url: str, *scopes: str, lifetime_s: int = 60, subject: str = "tester") -> str:
    request = admin_pb2.CreateTokenRequest(
        subject=subject, scopes=scopes, lifetime_seconds=lifetime_s
    )
    return create_without_service(url, request).secret


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def outcome(answer: Any) -> tuple[grpc.StatusCode, str]:
    """The status and text of a call of any kind, to its end."""
    try:
        if isinstance(answer, grpc.Future):
            answer.result()
        else:
            list(answer)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return answer.code(), ""


def calls(channel: grpc.Channel, name: str) -> Iterator[tuple[str, Any]]:
    """Each method of a service's contracts, to be called with no bytes or no messages at all."""
    for contract in CONTRACTS[name]:
        for method in contract.methods:
            path = f"/{contract.full_name}/{method.name}"
            if method.client_streaming:
                start = channel.stream_stream(path)
                yield path, lambda m, start=start: start(iter(()), metadata=m, timeout=20)
            elif method.server_streaming:
                start = channel.unary_stream(path)
                yield path, lambda m, start=start: start(b"", metadata=m, timeout=20)
            else:
                start = channel.unary_unary(path)
                yield path, lambda m, start=start: start.future(b"", metadata=m, timeout=20)


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


# How tokens come and go


def test_a_revoked_token_is_refused_within_the_bound(stack: Stack) -> None:
    """After a revocation nobody gets in for longer than a service remembers, nor does a stream."""
    secret, other = stack.token("lookup", subject="a"), stack.token("lookup", subject="b")
    with stack.connect(stack.token("admin")) as admin, stack.channel("index") as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)

        def ask(which: str) -> tuple[grpc.StatusCode, str]:
            return outcome(stub.Lookup.future(LOOKUP, timeout=20, metadata=bearer(which)))

        assert ask(secret)[0] is ANSWERED
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        requests.put(LOOKUP)
        stream = stub.LookupStream(iter(requests.get, None), timeout=60, metadata=bearer(secret))
        assert next(stream).not_found == 1
        token_id = next(token.token_id for token in admin.tokens() if token.subject == "a")
        revoked = admin.revoke_token(token_id)
        assert revoked.revoked
        refused = wait_until(lambda: (found := ask(secret))[0] is not ANSWERED and found)
        assert refused == (UNAUTHENTICATED, NOT_VALID)
        requests.put(LOOKUP)
        assert outcome(stream) == (UNAUTHENTICATED, NOT_VALID)
        requests.put(None)
        assert ask(other)[0] is ANSWERED
        assert admin.revoke_token(token_id) == revoked
        with pytest.raises(eventindex.NotFoundError, match="token 999999 does not exist"):
            admin.revoke_token("999999")


def test_a_token_expires_while_it_is_remembered(stack: Stack) -> None:
    """The end of a lifetime needs no look into the database, and looks like any other refusal."""
    secret = stack.token("admin", lifetime_s=2)
    with stack.connect(secret) as client:
        client.criteria()

        def refusal() -> str:
            try:
                client.criteria()
            except eventindex.AccessError as error:
                return str(error)
            return ""

        assert NOT_VALID in wait_until(refusal, what="expiry")


def test_no_secret_is_stored_or_listed(stack: Stack) -> None:
    """The database holds the SHA-256 of a secret of 256 random bits, and lists hold neither."""
    with stack.connect(stack.token("admin")) as client:
        made, secret = client.create_token("anna", ["ingest", "lookup", "ingest"])
        listed = client.tokens()
    assert secret.startswith("eix_")
    assert len(secret) == 47
    assert listed[0] == made
    assert (made.subject, made.scopes, made.revoked) == ("anna", ["lookup", "ingest"], False)
    assert made.expires - made.created == datetime.timedelta(days=30)
    rows = query(stack.database_url, "SELECT digest, t::text FROM access_token t")
    assert hashlib.sha256(secret.encode()).digest() in {bytes(digest) for digest, _ in rows}
    assert not any(secret in text or secret[4:] in text for _, text in rows)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"subject": ""}, "subject='' is not 1 to 255 printable characters"),
        ({"subject": "x\n"}, r"subject='x\n'"),
        ({"scopes": []}, "scopes is empty: give some of lookup, ingest, admin"),
        ({"scopes": ["lookup", "root"]}, "scopes='root' is none of lookup, ingest, admin"),
        ({"lifetime_seconds": 0}, "lifetime_seconds=0 is not 1 to 31536000"),
        ({"lifetime_seconds": 31_536_001}, "lifetime_seconds=31536001 is not 1 to 31536000"),
        ({"lifetime_seconds": 2**64 - 1}, f"lifetime_seconds={2**64 - 1} is not"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    stack: Stack, values: dict[str, Any], named: str
) -> None:
    """What is wrong with a new token is said with the field and the value."""
    request = {"subject": "anna", "scopes": ["lookup"], "lifetime_seconds": 60} | values
    with stack.channel("ingest") as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        code, text = outcome(
            stub.CreateToken.future(
                admin_pb2.CreateTokenRequest(**request), metadata=bearer(stack.token("admin"))
            )
        )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert named in text


@pytest.mark.parametrize("token_id", ["", "x", "-1", "1.0", "9" * 19, "9" * 20, "\0"])
def test_an_id_that_is_none_is_refused(stack: Stack, token_id: str) -> None:
    """What cannot be the id of a token is named."""
    with (
        stack.connect(stack.token("admin")) as client,
        pytest.raises(eventindex.InvalidRequestError, match="token_id="),
    ):
        client.revoke_token(token_id)


def test_the_subject_is_recorded_not_what_the_caller_claims(stack: Stack) -> None:
    """A conflict is decided by whom the token names."""
    store = Store(stack.database_url)
    store.write(columns(100, [1], 0, 0, FILES[:1]))
    store.write(columns(100, [1], 6, 0, FILES[:1]))
    store.close()
    with stack.connect(stack.token("admin", subject="anna")) as client:
        (conflict,) = client.conflicts(run=100)
        client.resolve_conflict(conflict.conflict_id, replace=False, resolved_by="somebody")
        (decided,) = client.conflicts(run=100, with_resolved=True)
    assert decided.resolved_by == "anna"


async def test_a_token_is_remembered_for_the_bound_and_no_longer() -> None:
    """One question for many calls, none within the bound, and an old answer is never used."""
    now = datetime.datetime.now(datetime.UTC)
    token = AccessToken(1, "x", ["lookup"], now, now, None)
    asked, away = itertools.count(1), False

    async def read(digest: bytes) -> AccessToken | None:
        await asyncio.sleep(0)
        next(asked)
        if away:
            raise StoreUnavailableError("away")
        return token if digest == b"known" else None

    cache = TokenCache(read, 0.2)
    assert await asyncio.gather(*(cache.get(b"known") for _ in range(100))) == [token] * 100
    away = True
    assert await cache.get(b"known") == token
    assert next(asked) == 2
    with pytest.raises(StoreUnavailableError):
        await cache.get(b"other")
    await asyncio.sleep(0.25)
    with pytest.raises(StoreUnavailableError):
        await cache.get(b"known")
    away = False
    assert await cache.get(b"other") is None
    assert await cache.get(b"known") == token


async def test_a_caller_that_goes_does_not_take_the_answer_from_others() -> None:
    """The question that several calls wait for outlives the call that began it."""
    now = datetime.datetime.now(datetime.UTC)
    token = AccessToken(1, "x", ["lookup"], now, now, None)
    go = asyncio.Event()

    async def read(_: bytes) -> AccessToken:
        await go.wait()
        return token

    cache = TokenCache(read, 60)
    first, second = (asyncio.create_task(cache.get(b"known")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == token


def test_while_the_database_is_away_known_tokens_go_on() -> None:
    """A token that was seen lately is still good; one that was not is UNAVAILABLE, not refused."""
    server = PostgresServer()
    server.start()
    migrate(server.url())
    known, unseen = make(server.url(), "lookup"), make(server.url(), "lookup")
    service = Service(
        "index_service", database_url=server.url(), require_tokens=True, token_cache_s=600
    )
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            reflect = channel.stream_stream(
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
            )

            def ask(secret: str) -> tuple[grpc.StatusCode, str]:
                return outcome(reflect(iter(()), metadata=bearer(secret), timeout=60))

            assert ask(known)[0] is ANSWERED
            server.stop()
            assert ask(known)[0] is ANSWERED
            code, text = ask(unseen)
            assert (code, "cannot be checked" in text) == (grpc.StatusCode.UNAVAILABLE, True)
            health.Check(health_pb2.HealthCheckRequest(), timeout=20)
            server.start()
            assert wait_until(lambda: ask(unseen)[0] is ANSWERED)
    finally:
        service.close()
        server.close()


# The client and the command line


def test_the_client_takes_its_token_from_where_it_is(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The argument, EVENTINDEX_TOKEN and the file of EVENTINDEX_TOKEN_FILE, in this order."""
    good = stack.token("lookup", "ingest")
    file = tmp_path / "token"
    file.write_text(f"{good}\n")

    def works(token: str | None = None) -> bool:
        with stack.connect(token) as client:
            try:
                client.lookup([(1, 1)])
            except eventindex.AccessError:
                return False
            assert list(client.lookup_stream([[(1, 1)], [(1, 2)]]))
            list(client.list_events())
            assert list(client.ingest([])) == []
            with pytest.raises(eventindex.AccessError, match="AdminService needs admin"):
                client.criteria()
            return True

    assert not works()
    assert works(good)
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(file))
    assert works()
    monkeypatch.setenv("EVENTINDEX_TOKEN", STRANGER)
    assert not works()
    assert works(good)
    monkeypatch.delenv("EVENTINDEX_TOKEN")
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):
        works()


def test_a_token_leaves_this_machine_over_tls_only(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS a token goes to loopback, and elsewhere with leave by name."""
    service = Service("index_service", database_url=database_url, require_tokens=True)
    secret = make(database_url, "lookup")
    try:
        service.start()
        with eventindex.connect(service.address, token=secret) as client:
            assert client.lookup([(1, 1)]).not_found == 1
        # An address that is not plainly loopback counts as another machine's.
        elsewhere = f"dns:///{service.address}"
        for address in (elsewhere, "192.0.2.1:50051", "index.example.org:443"):
            with (
                eventindex.connect(address, token=secret) as client,
                pytest.raises(eventindex.AccessError, match="not sent to another machine") as error,
            ):
                client.lookup([(1, 1)])
            assert secret not in str(error.value)
        monkeypatch.setenv("EVENTINDEX_ALLOW_PLAINTEXT", "true")
        with eventindex.connect(elsewhere, token=secret) as client:
            assert client.lookup([(1, 1)]).not_found == 1
    finally:
        service.close()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_token_file_of_any_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, end: str
) -> None:
    """A byte-order mark, UTF-16 and line ends, as editors and shells write, do not matter."""
    path = tmp_path / "token"
    path.write_bytes(f"eix_abc{end}".encode(encoding))
    monkeypatch.setenv("EVENTINDEX_TOKEN_FILE", str(path))
    monkeypatch.delenv("EVENTINDEX_TOKEN", raising=False)
    assert find_token() == "eix_abc"
    path.write_bytes(codecs.BOM_UTF16_BE + f"eix_abc{end}".encode("utf-16-be"))
    assert find_token() == "eix_abc"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(eventindex.AccessError, match="characters"):
        find_token()


def test_a_token_that_cannot_be_one_is_not_sent(stack: Stack) -> None:
    """A text with odd characters is refused here, without being shown."""
    for text in ("eix_a b", "eix_é", "eix_a\nb"):
        with (
            stack.connect(text) as client,
            pytest.raises(eventindex.AccessError, match="characters") as error,
        ):
            client.lookup([(1, 1)])
        assert text not in str(error.value)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["token", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_tokens_from_the_first_one_on(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is made in the database, others over gRPC; stdout is the secret alone."""
    database = ("--database", stack.database_url)
    first = run("create", "--subject", "root", "--scope", "admin", *database)
    assert first.exit_code == 0, first.stderr
    service = ("--address", stack.ingest.address, "--tls-ca", str(stack.certificates / "ca.pem"))
    refused = run(*service)
    assert (refused.exit_code, "a token is needed" in refused.stderr) == (1, True)
    monkeypatch.setenv("EVENTINDEX_TOKEN", first.stdout.strip())
    scopes = ("--scope", "lookup", "--scope", "ingest")
    made = run("create", "--subject", "reco", *scopes, "--lifetime", "12h", *service)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("eix_")
    assert made.stdout.count("\n") == 1
    assert "for reco: lookup, ingest, until " in made.stderr
    assert made.stdout.strip() not in made.stderr
    rows = [line.split(",") for line in run(*service, "--format", "csv").stdout.splitlines()]
    assert rows[0] == list(eventindex.AccessToken._fields)
    token_id = rows[1][0]
    assert (rows[1][1:3], rows[1][-1]) == (["reco", "lookup ingest"], "false")
    revoked = run("revoke", token_id, *service)
    assert revoked.stderr == f"token {token_id} for reco: revoked\n"
    assert run(*service).stdout.splitlines()[1].split()[-1] == "revoked"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--scope", "root"], "scopes='root' is none of lookup, ingest, admin"),
        (["--scope", "lookup", "--lifetime", "400d"], "lifetime_seconds=34560000 is not 1 to"),
        (["--scope", "lookup", "--lifetime", "soon"], "'soon' is not a number with s, m, h or d"),
    ],
)
def test_bad_usage_of_create_is_one_line(stack: Stack, arguments: list[str], named: str) -> None:
    """A token that cannot be is bad usage, with --database too."""
    result = run("create", "--subject", "x", *arguments, "--database", stack.database_url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr


def test_a_database_that_is_not_migrated_says_so(postgres: Any) -> None:
    """The first token needs the tables."""
    name = f"empty_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {name}")
    result = run("create", "--subject", "x", "--scope", "admin", "--database", postgres.url(name))
    execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "eventindex migrate" in result.stderr
    absent = f"postgresql://owner@127.0.0.1:{free_port()}/x"
    assert run("create", "--subject", "x", "--scope", "admin", "--database", absent).exit_code == 1
