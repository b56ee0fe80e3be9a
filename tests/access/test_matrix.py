"""Every RPC and every HTTP route with every kind of token: only the good one gets in."""

from __future__ import annotations

import asyncio
import functools
import queue
import re
import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from starlette.routing import BaseRoute

from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from rest_gateway.app import make_app
from service_kit.settings import Settings
from tests.access.conftest import Doors, bad_tokens
from tests.access.rules import (
    ADMIN_ROUTES,
    DOORS,
    LOOKUP_ROUTES,
    OPEN_ROUTES,
    OPEN_RPCS,
    RPCS,
    SCOPES,
    contracts,
    services_of,
)
from tests.support.processes import wait_until

DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def rpcs(channel: grpc.Channel, door: str) -> Iterator[tuple[str, Any]]:
    """Each method of a server, to be begun with no bytes or no messages at all."""
    for contract in services_of(door):
        for method in contract.methods:
            name = f"{contract.full_name}/{method.name}"
            if method.client_streaming:
                start = channel.stream_stream(f"/{name}")
                yield name, lambda m, start=start: start(iter(()), metadata=m, timeout=20)
            elif method.server_streaming:
                start = channel.unary_stream(f"/{name}")
                yield name, lambda m, start=start: start(b"", metadata=m, timeout=20)
            else:
                start = channel.unary_unary(f"/{name}")
                yield name, lambda m, start=start: start.future(b"", metadata=m, timeout=20)


def code_of(call: Any, name: str) -> grpc.StatusCode:
    """The status of a call; of one that would last, whether it begins."""
    try:
        if name.endswith("Health/Watch"):
            next(call)
            call.cancel()
            return grpc.StatusCode.OK
        call.result()
    except grpc.RpcError as error:
        return error.code()
    return call.code()


def metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)


def test_every_rpc_has_a_rule_and_a_door() -> None:
    """The tables know each method of the contract, and none that is not there."""
    assert set(contracts()) == {name for names in DOORS.values() for name in names}
    there = {
        f"{service.full_name}/{method.name}"
        for door in DOORS
        for service in services_of(door)
        for method in service.methods
    }
    assert there == set(RPCS)


@pytest.mark.parametrize("door", DOORS)
def test_no_rpc_answers_a_bad_token(doors: Doors, door: str, tmp_path) -> None:
    """Every method of every service refuses every token that is not good, whatever its kind."""
    with grpc.insecure_channel(getattr(doors, door).address) as channel:
        for scope in SCOPES:
            for kind, token in bad_tokens(doors, scope, tmp_path).items():
                for name, begin in rpcs(channel, door):
                    if scope == min(RPCS[name]) and name not in OPEN_RPCS:
                        code = code_of(begin(metadata(token)), name)
                        assert code is UNAUTHENTICATED, (name, kind, code)


@pytest.mark.parametrize("door", DOORS)
def test_an_rpc_answers_the_scopes_of_its_rule_and_no_other(doors: Doors, door: str) -> None:
    """Good tokens of both kinds and algorithms open what their scope is for; others are denied."""
    with grpc.insecure_channel(getattr(doors, door).address) as channel:
        for scope in (*SCOPES, ""):
            scopes = [scope] if scope else []
            good = [doors.issuer.token(*scopes, algorithm=kind) for kind in ("RS256", "ES256")]
            for token in good + ([doors.opaque(scope)] if scope else []):
                for name, begin in rpcs(channel, door):
                    code = code_of(begin(metadata(token)), name)
                    allowed = scope in RPCS[name] or name in OPEN_RPCS
                    assert code is not UNAUTHENTICATED, (name, scope)
                    assert (code is not DENIED) == allowed, (name, scope, code)


@functools.cache
def routes() -> list[tuple[str, str]]:
    """Each method and path of the gateway."""

    async def made() -> list[BaseRoute]:
        parts = SimpleNamespace(settings=Settings(_env_file=None))
        observer = SimpleNamespace(show_zeros=lambda _: None)
        return list(make_app(parts, observer).routes)

    found = []
    for route in flat(asyncio.run(made())):
        methods = getattr(route, "methods", None) or {"GET"}
        found += [(method, route.path) for method in sorted(methods - {"HEAD"})]
    return found


def flat(found: list[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes, those of routers within too."""
    for route in found:
        inner = getattr(route, "effective_candidates", None)
        yield from flat(list(inner())) if inner is not None else [route]


def test_every_route_has_a_rule() -> None:
    """The tables know each route that there is, and none that there is not."""
    rules = (OPEN_ROUTES, LOOKUP_ROUTES, ADMIN_ROUTES)
    assert {f"{method} {path}" for method, path in routes()} == set().union(*rules)
    assert sum(map(len, rules)) == len(set().union(*rules))


def address(path: str) -> str:
    values = {"job_id": str(uuid.uuid4()), "fuid_raw": str(uuid.uuid4())}
    return re.sub(r"\{(\w+)(:path)?\}", lambda m: values.get(m[1], "1"), path)


def status_of(http: Any, method: str, path: str) -> int:
    """The status alone: some answers have no end."""
    with http.stream(method, address(path)) as answer:
        return answer.status_code


def test_no_route_answers_a_bad_token(doors: Doors, tmp_path) -> None:
    """Every route of the API refuses every token that is not good."""
    for kind, token in bad_tokens(doors, "admin", tmp_path).items():
        with doors.http(token) as http:
            for method, path in routes():
                if f"{method} {path}" not in OPEN_ROUTES:
                    assert status_of(http, method, path) == 401, (method, path, kind)


def test_a_route_answers_the_scopes_of_its_rule_and_no_other(doors: Doors) -> None:
    """Looking up opens the routes that read, admin all, and ingest none."""
    for scope in (*SCOPES, ""):
        good = [doors.issuer.token(*filter(None, [scope]))]
        for token in good + ([doors.opaque(scope)] if scope else []):
            with doors.http(token) as http:
                for method, path in routes():
                    name = f"{method} {path}"
                    allowed = {"admin"} if name in ADMIN_ROUTES else {"lookup", "admin"}
                    status = status_of(http, method, path)
                    assert status != 401, (name, scope)
                    assert (status != 403) == (scope in allowed or name in OPEN_ROUTES), (
                        name,
                        scope,
                        status,
                    )


def test_the_pages_need_no_token_and_hold_no_data(doors: Doors) -> None:
    """Who has no token yet can open the page on which to give one."""
    with doors.http() as http:
        for method, path in routes():
            if f"{method} {path}" in OPEN_ROUTES and path != "/assets":
                assert status_of(http, method, path) not in {401, 403}, path


def test_tokens_need_a_token_on_loopback_too(ingest_address: str) -> None:
    """Where nothing else needs one: who reaches a port of this machine makes no token."""
    with grpc.insecure_channel(ingest_address) as channel:
        codes = {name: code_of(begin(()), name) for name, begin in rpcs(channel, "ingest")}
    refused = {name for name, code in codes.items() if code is UNAUTHENTICATED}
    methods = ("CreateToken", "ListTokens", "RevokeToken")
    assert refused == {f"eventindex.v1.AdminService/{name}" for name in methods}


def test_a_stream_ends_with_its_token(doors: Doors) -> None:
    """A message behind the end of a signed token is not answered; those before are."""
    now = int(time.time())
    # The tolerance of 60 s is nearly over.
    token = doors.issuer.token("lookup", iat=now - 600, exp=now - 57)
    asked = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
    with grpc.insecure_channel(doors.index.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        requests.put(asked)
        stream = stub.LookupStream(iter(requests.get, None), timeout=60, metadata=metadata(token))
        assert next(stream).not_found == 1
        wait_until(lambda: time.time() > now + 4)
        requests.put(asked)
        with pytest.raises(grpc.RpcError) as refused:
            next(stream)
        requests.put(None)
    assert refused.value.code() is UNAUTHENTICATED
