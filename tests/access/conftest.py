"""The services as they stand behind an identity provider, and tokens of all kinds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from click.testing import CliRunner

from eventindex.cli import main
from eventindex.v1 import admin_pb2
from ingest_service.admin.tokens import create_without_service
from tests.conftest import execute
from tests.support.jwt import AUDIENCE, ISSUER, Issuer
from tests.support.processes import Service

CACHE_S = 0.5
# Of one subject over HTTP.
CALLS_MAX = 4


class Doors(NamedTuple):
    """All services of one database; every call needs a token."""

    database_url: str
    issuer: Issuer
    index: Service
    ingest: Service
    gateway: Service

    def opaque(self, *scopes: str, lifetime_s: int = 600, subject: str = "tester") -> str:
        """The secret of a new token of the database."""
        request = admin_pb2.CreateTokenRequest(
            subject=subject, scopes=scopes, lifetime_seconds=lifetime_s
        )
        return create_without_service(self.database_url, request).secret

    def revoked(self, *scopes: str) -> str:
        """One that nobody has used and that is revoked."""
        secret = self.opaque(*scopes, subject="revoked")
        execute(
            self.database_url, "UPDATE access_token SET revoked = now() WHERE subject = 'revoked'"
        )
        return secret

    def expired(self, *scopes: str) -> str:
        """One that nobody has used and that has ended."""
        secret = self.opaque(*scopes, subject="ended")
        execute(
            self.database_url, "UPDATE access_token SET expires = now() WHERE subject = 'ended'"
        )
        return secret

    def http(self, token: str | None = None) -> httpx.Client:
        """A client of the gateway."""
        headers = {"EventIndex-Request": "test"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=f"http://{self.gateway.address}", headers=headers, timeout=30)


def settings_of(issuer: Issuer, **more: object) -> dict[str, object]:
    """Settings of a service that accepts the tokens of an issuer."""
    return {
        "require_tokens": True,
        "token_cache_s": CACHE_S,
        "jwt_issuers": ISSUER,
        "jwt_keys": issuer.path,
        "jwt_audience": AUDIENCE,
    } | more


@pytest.fixture(scope="package")
def issuer(tmp_path_factory) -> Issuer:
    """A provider."""
    return Issuer(tmp_path_factory.mktemp("issuer") / "jwks.json")


@pytest.fixture(scope="package")
def doors(postgres, _template, issuer) -> Iterator[Doors]:
    """All services, started once."""
    execute(postgres.url(), f"CREATE DATABASE doors TEMPLATE {_template}")
    url = postgres.url("doors")
    settings = settings_of(issuer, database_url=url)
    index = Service("index_service", **settings)
    ingest = Service("ingest_service", **settings)
    gateway = Service(
        "rest_gateway",
        index_address=index.address,
        ingest_address=ingest.address,
        **settings | {"calls_per_subject_max": CALLS_MAX},
    )
    opened = Doors(url, issuer, index, ingest, gateway)
    gateway.settings["EVENTINDEX_TOKEN"] = opened.opaque("lookup", lifetime_s=3600)
    index.start(), ingest.start(), gateway.start()
    yield opened
    for service in (gateway, ingest, index):
        service.close()
    execute(postgres.url(), "DROP DATABASE doors WITH (FORCE)")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path) -> None:
    """No token and no leave of this machine's reaches the tests."""
    for name in ("TOKEN", "TOKEN_FILE", "ALLOW_PLAINTEXT", "TOKEN_LIFETIME_MAX_S"):
        monkeypatch.delenv(f"EVENTINDEX_{name}", raising=False)
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)


def bad_tokens(doors: Doors, scope: str, tmp_path) -> dict[str, str | None]:
    """Every way in which a token for a scope is not good, by name."""
    issuer, now = doors.issuer, int(time.time())
    stranger = Issuer(tmp_path / "stranger.json")
    old = {"iat": now - 1000, "exp": now - 100}
    good = issuer.token(scope)
    return {
        "no token": None,
        "no known form": "x" * 40,
        "unknown": "eix_" + "A" * 43,
        "revoked": doors.revoked(scope),
        "expired, of the database": doors.expired(scope),
        "expired": issuer.token(scope, **old),
        "expired, ES256": issuer.token(scope, algorithm="ES256", **old),
        "not yet valid": issuer.token(scope, nbf=now + 300),
        "made in the future": issuer.token(scope, iat=now + 300, exp=now + 600),
        "lives too long": issuer.token(scope, exp=now + 400 * 86_400),
        "wrong issuer": issuer.token(scope, iss="https://other.example.org"),
        "wrong audience": issuer.token(scope, aud="https://storage.example.org"),
        "alg none": issuer.forged({"alg": "none"}, scope) + "AA",
        "HMAC of the public key": issuer.forged({"alg": "HS256"}, scope),
        "RS256, in truth an HMAC": issuer.forged({"alg": "RS256"}, scope),
        "unknown key": stranger.token(scope),
        "another's key of the same id": stranger.token(
            scope, headers={"kid": issuer.key_id("RS256")}
        ),
        "changed": good[:-8] + ("A" * 8 if good[-8:] != "A" * 8 else "B" * 8),
        **{
            f"no {claim}": issuer.token(scope, **{claim: None})
            for claim in ("exp", "iat", "iss", "aud", "sub")
        },
    }


def make(directory: Path, *clients: str) -> None:
    """Certificates as `eventindex certs` makes them."""
    options = [word for name in clients for word in ("--client", name)]
    done = CliRunner().invoke(main, ["certs", str(directory), *options])
    assert done.exit_code == 0, done.output
