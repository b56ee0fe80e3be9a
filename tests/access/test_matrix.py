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
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.routing import BaseRoute

from eventindex.v1 import admin_pb2, ingest_pb2, lookup_pb2, lookup_pb2_grpc
from rest_gateway.app import make_app
from service_kit.settings import Settings
from tests.access.conftest import Doors, bad_tokens
from tests.support.processes import wait_until

DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
SCOPES = {"lookup", "ingest", "admin"}
ANY = SCOPES
# Which scopes open what. A service or a route that stands nowhere here fails the tests.
RPC_RULES: dict[str, set[str]] = {
    "eventindex.v1.IndexService": {"lookup", "admin"},
    "eventindex.v1.IngestService": {"ingest", "admin"},
    "eventindex.v1.AdminService": {"admin"},
    "eventindex.v1.AdminService/IngestStatus": ANY,
    "grpc.health.v1.Health": ANY,
    "grpc.reflection.v1alpha.ServerReflection": ANY,
}
OPEN_RPCS = {"grpc.health.v1.Health/Check"}
# Of those, the ones of the admin scope.
ADMIN_ROUTES = {
    "POST /api/v1/conflicts/{conflict_id}/resolve",
    "GET /api/v1/dead-letters",
    "GET /api/v1/dead-letters/{dead_letter_id}",
    "POST /api/v1/dead-letters/{dead_letter_id}/replay",
    "DELETE /api/v1/dead-letters/{dead_letter_id}",
}
# Without a token: the pages, which hold no data, and what describes the API.
OPEN_ROUTES = re.compile(r"GET (/api/v1/(openapi\.json)|(?!/api/).*)")
DOORS = {
    "index": [lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]],
    "ingest": [
        ingest_pb2.DESCRIPTOR.services_by_name["IngestService"],
        admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
    ],
}
BESIDE = [
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
]


def rpcs(channel: grpc.Channel, door: str) -> Iterator[tuple[str, Any]]:
    """Each method of a server, to be begun with no bytes or no messages at all."""
    for contract in DOORS[door] + BESIDE:
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


def rule_of(name: str) -> set[str]:
    """The scopes that open a method; one without a rule is an error."""
    return RPC_RULES.get(name) or RPC_RULES[name.partition("/")[0]]


@pytest.mark.parametrize("door", DOORS)
def test_no_rpc_answers_a_bad_token(doors: Doors, door: str, tmp_path) -> None:
    """Every method of every service refuses every token that is not good, whatever its kind."""
    with grpc.insecure_channel(getattr(doors, door).address) as channel:
        for scope in SCOPES:
            for kind, token in bad_tokens(doors, scope, tmp_path).items():
                for name, begin in rpcs(channel, door):
                    if scope == min(rule_of(name)) and name not in OPEN_RPCS:
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
                    allowed = scope in rule_of(name) or name in OPEN_RPCS
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
    """The table of this test knows each route that there is, and none that there is not."""
    names = {f"{method} {path}" for method, path in routes()}
    assert len([name for name in names if "/api/v1/" in name]) > 20
    assert names >= ADMIN_ROUTES
    for method, path in routes():
        if not path.startswith("/api/v1/"):
            assert OPEN_ROUTES.fullmatch(f"{method} {path}"), path


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
                if not OPEN_ROUTES.fullmatch(f"{method} {path}"):
                    assert status_of(http, method, path) == 401, (method, path, kind)


def test_a_route_answers_the_scopes_of_its_rule_and_no_other(doors: Doors) -> None:
    """Looking up opens the routes that read, admin all, and ingest none."""
    for scope in (*SCOPES, ""):
        for token in (doors.issuer.token(*filter(None, [scope])),):
            with doors.http(token) as http:
                for method, path in routes():
                    name = f"{method} {path}"
                    allowed = {"admin"} if name in ADMIN_ROUTES else {"lookup", "admin"}
                    status = status_of(http, method, path)
                    assert status != 401, (name, scope)
                    assert (status != 403) == (
                        scope in allowed or bool(OPEN_ROUTES.fullmatch(name))
                    ), (name, scope, status)


def test_the_pages_need_no_token_and_hold_no_data(doors: Doors) -> None:
    """Who has no token yet can open the page on which to give one."""
    with doors.http() as http:
        for method, path in routes():
            if OPEN_ROUTES.fullmatch(f"{method} {path}") and path != "/assets":
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
