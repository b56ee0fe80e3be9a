"""The gateway's tokens and TLS: its own, the caller's, and what goes without."""

from __future__ import annotations

import re
import secrets
import ssl
import subprocess
from contextlib import ExitStack

import httpx
import pytest

from event_store.admin import tokens
from event_store.database.connection import Connection, StoreOptions
from rest_gateway.service import serve
from service_kit.grpc_server import UnsafeAddressError
from service_kit.settings import Settings
from tests.support.client import fuid
from tests.support.gateway import FakeIndex, gateway
from tests.support.processes import Service, wait_until

API = "/api/v1"
TEXT = {"Content-Type": "text/plain"}
STORE = {(1, event): (fuid(1), 7, 0) for event in range(100)}


@pytest.mark.parametrize("variable", ["EVENTINDEX_TOKEN", "EVENTINDEX_TOKEN_FILE"])
def test_the_gateways_own_token_may_stand_in_a_file(database_url, tmp_path, variable):
    """Jobs look up with the token that a .env file holds, or the file that it names."""
    seen = set()

    def note(_, context):
        seen.add(dict(context.invocation_metadata()).get("authorization"))

    (tmp_path / "token").write_text("eix_own\n")
    value = "eix_own" if variable == "EVENTINDEX_TOKEN" else tmp_path / "token"
    (tmp_path / ".env").write_text(f"{variable}={value}\n")
    server = FakeIndex(STORE)
    server.index.before_lookup = note
    service = Service("rest_gateway", database_url=database_url, index_address=server.address)
    service.directory = tmp_path
    service.start()
    assert seen == {"Bearer eix_own"}
    assert "eix_own" not in service.log.read_text()
    service.close()
    server.stop()


def test_leave_for_plaintext_may_stand_in_a_file(database_url, tmp_path):
    """With EVENTINDEX_ALLOW_PLAINTEXT in .env alone the token goes where it was allowed to."""
    (tmp_path / ".env").write_text("EVENTINDEX_ALLOW_PLAINTEXT=true\nEVENTINDEX_TOKEN=eix_own\n")
    service = Service(
        "rest_gateway", database_url=database_url, index_address="index.invalid:50051"
    )
    service.directory = tmp_path
    service.start(wait="/healthz")
    wait_until(lambda: "index: index.invalid:50051" in service.page("/readyz")[1], what="asked")
    assert "a token is not sent" not in service.log.read_text()
    assert "Traceback" not in service.log.read_text()
    service.close()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"token_file": "/nowhere"}, "EVENTINDEX_TOKEN_FILE: [Errno 2]"),
        ({"token": "eix with blanks"}, "EVENTINDEX_TOKEN: the token has characters"),
    ],
)
def test_a_token_that_cannot_be_used_ends_the_start(database_url, settings, named):
    """The gateway says which variable is wrong, in one line, and does not show the token."""
    service = Service("rest_gateway", database_url=database_url, **settings)
    service.start(wait="")
    assert service.process.wait(30) == 2
    assert named in service.tail()
    assert "blanks" not in service.tail()
    assert "Traceback" not in service.tail()
    service.close()


def test_the_callers_token_goes_with_each_call(database_url):
    """The services see the Authorization of the request, in single calls and streams."""
    seen: list[str | None] = []

    def note(call, answered, context):
        seen.append(dict(context.invocation_metadata()).get("authorization"))

    server = FakeIndex(STORE)
    server.index.before_answer = note
    with gateway(database_url, server.address) as (_, http):
        for token in ("Bearer eix_one", "Bearer eix_two", None):
            headers = {**TEXT, **({"Authorization": token} if token else {})}
            answer = http.post(f"{API}/lookup", content="1 5", headers=headers)
            assert answer.status_code == 200
    assert seen == ["Bearer eix_one", "Bearer eix_two", None]
    server.stop()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"http_address": "0.0.0.0:0"}, "0.0.0.0:0 can be reached"),
        ({"http_metrics_address": "0.0.0.0:0"}, "0.0.0.0:0 can be reached"),
        ({"index_address": "index.example.org:50051"}, "EVENTINDEX_HTTP_SERVICES_TLS_CA"),
    ],
)
async def test_nothing_goes_unencrypted_over_a_network_without_leave(settings, named):
    """The gateway does not start where others could listen in, and says what to set."""
    with pytest.raises(UnsafeAddressError, match=re.escape(named)):
        await serve(Settings(_env_file=None, **settings))


def test_tls_in_front_and_behind(database_url, tmp_path):
    """With certificates the gateway speaks HTTPS, and TLS to the services."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", names, "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    tls = {"tls_cert": cert, "tls_key": key}
    index = Service("index_service", database_url=database_url, **tls).start()
    with gateway(database_url, index.address, http_services_tls_ca=cert, **tls) as (service, _):
        trust = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(verify=trust) as http:
            answer = http.post(
                f"https://localhost:{service.port}{API}/lookup", json={"pairs": [[1, 5]]}
            )
    index.close()
    assert answer.json()["not_found"] == 1


def test_tokens_open_what_their_scope_says(database_url):
    """Without a token 401, with one of another scope 403; jobs look up with the gateway's own."""

    def token(*scopes: str) -> str:
        secret = f"eix_{secrets.token_hex()}"
        connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
        tokens.create(connection, tokens.digest_of(secret), "test", scopes, 600)
        connection.close()
        return secret

    settings = {"require_tokens": True, "database_url": database_url}
    with ExitStack() as stack:
        index, ingest = (Service(f"{name}_service", **settings) for name in ("index", "ingest"))
        for service in (index, ingest):
            stack.callback(service.close)
            service.start()
        _, http = stack.enter_context(
            gateway(
                database_url,
                index.address,
                ingest.address,
                require_tokens=True,
                token=token("lookup"),
            )
        )

        def get(path: str, secret: str | None) -> int:
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            return http.get(f"{API}/{path}", headers=headers).status_code

        reader, writer, admin = token("lookup"), token("ingest"), token("admin")
        assert [get("runs", t) for t in (None, "eix_no", writer, reader, admin)] == [
            *(401, 401, 403, 200, 200)
        ]
        assert [get("dead-letters", t) for t in (None, reader, admin)] == [401, 403, 200]
        assert [get("openapi.json", None), http.get("/docs").status_code] == [200, 200]
        body, own = {"pairs": [[1, 5]]}, {"Authorization": f"Bearer {reader}"}
        assert http.post(f"{API}/jobs", json=body).status_code == 401
        job = http.post(f"{API}/jobs", json=body, headers=own).headers["location"]
        assert http.get(job).status_code == 401
        wait_until(lambda: http.get(job, headers=own).json()["state"] == "done", what="job")
