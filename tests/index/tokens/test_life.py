"""How access tokens come and go: made, recorded, remembered, revoked, expired."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import itertools
import queue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import eventindex
from event_store.admin.tokens import AccessToken
from event_store.database.migrate import migrate
from event_store.errors import StoreUnavailableError
from event_store.write.writer import Store
from eventindex.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    lookup_pb2_grpc,
)
from service_kit.auth import TokenCache
from tests.conftest import query
from tests.support.admin import FILES, columns
from tests.support.processes import PostgresServer, Service, wait_until
from tests.support.tokens import (
    ANSWERED,
    LOOKUP,
    NOT_VALID,
    UNAUTHENTICATED,
    Stack,
    bearer,
    make,
    outcome,
)

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
