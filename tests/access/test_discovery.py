"""Keys of an identity provider by OpenID Connect Discovery, from a provider of the test."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from eventindex import certificates
from service_kit import jwt_keys
from service_kit.callers import Caller, Refusal
from service_kit.jwt_keys import DISCOVERY
from service_kit.jwt_tokens import JwtTokens
from service_kit.settings import Settings
from tests.support.jwt import AUDIENCE, Issuer, new_key

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


class Provider:
    """A small OpenID Connect provider: its description and its keys, and how often it was asked."""

    def __init__(self, directory: Path) -> None:
        self.asked: list[str] = []
        self.redirect = ""
        self.described: dict[str, object] = {}
        authority = certificates.certificate_authority(directory)
        pair = certificates.server_certificate(authority, ["localhost"], 2)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificates.write_pair(directory, "server", pair))
        self._server = ThreadingHTTPServer(("localhost", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}/realms/spd"
        self.issuer = Issuer(directory / "jwks.json", self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                if provider.redirect:
                    self.send_response(302)
                    self.send_header("Location", provider.redirect)
                    self.end_headers()
                    return
                described = {"issuer": provider.url, "jwks_uri": f"{provider.url}/keys"}
                found = (
                    described | provider.described
                    if self.path.endswith(DISCOVERY)
                    else provider.issuer.jwks()
                )
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def close(self) -> None:
        """Go away; a second time changes nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def provider(tmp_path, monkeypatch) -> Iterator[Provider]:
    """A provider whose CA the environment names."""
    made = Provider(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    opener = urllib.request.build_opener(jwt_keys._NoRedirect())
    monkeypatch.setattr(jwt_keys, "_opener", opener)
    yield made
    made.close()


def tokens_of(provider: Provider) -> JwtTokens:
    return JwtTokens(Settings(_env_file=None, jwt_issuers=provider.url, jwt_audience=AUDIENCE))


async def test_tokens_of_a_provider_are_accepted_by_its_keys(provider) -> None:
    """One question for the keys serves all its tokens, and none a token of another issuer."""
    checks = tokens_of(provider)
    for algorithm in ("RS256", "ES256"):
        found = await checks.check(provider.issuer.token("lookup", algorithm=algorithm))
        assert isinstance(found, Caller)
        assert (found.subject, list(found.scopes)) == (f"anna@{provider.url}", ["lookup"])
    assert len(provider.asked) == 2
    other = await checks.check(provider.issuer.token("lookup", iss="https://other.example.org"))
    assert isinstance(other, Refusal)
    assert len(provider.asked) == 2


async def test_a_new_key_is_asked_for_and_guesses_are_not(provider) -> None:
    """An unknown key id is asked for at most once a minute, and then the new key is known."""
    checks = tokens_of(provider)

    async def guess() -> None:
        for _ in range(20):
            token = provider.issuer.token("lookup", headers={"kid": "guess"})
            found = await checks.check(token)
            assert isinstance(found, Refusal)
            assert found.code is UNAUTHENTICATED

    assert isinstance(await checks.check(provider.issuer.token("lookup")), Caller)
    provider.issuer.keys["RS256"] = new_key("RS256")
    await guess()
    assert len(provider.asked) == 2
    checks._of_issuers[provider.url]._asked_again_at = 0.0  # the minute is over
    assert isinstance(await checks.check(provider.issuer.token("lookup")), Caller)
    await guess()
    assert len(provider.asked) == 4


async def test_the_last_good_keys_stay_while_the_provider_is_away(provider, monkeypatch) -> None:
    """Who held a good token goes on; where there never were keys the answer is to try again."""
    monkeypatch.setattr(jwt_keys, "KEPT_S", 0.0)
    monkeypatch.setattr(jwt_keys, "ASKED_AGAIN_S", 0.0)
    checks, late = tokens_of(provider), tokens_of(provider)
    assert isinstance(await checks.check(provider.issuer.token("lookup")), Caller)
    provider.close()
    assert isinstance(await checks.check(provider.issuer.token("lookup", sub="ben")), Caller)
    found = await late.check(provider.issuer.token("lookup"))
    assert isinstance(found, Refusal)
    assert found.code is grpc.StatusCode.UNAVAILABLE


async def test_another_issuers_description_is_not_believed(provider) -> None:
    """Not one that names another issuer, keys over plain HTTP, or somewhere else to ask."""
    for described in ({"issuer": "https://other.example.org"}, {"jwks_uri": "http://localhost/x"}):
        provider.described = described
        found = await tokens_of(provider).check(provider.issuer.token("lookup"))
        assert isinstance(found, Refusal)
        assert found.code is grpc.StatusCode.UNAVAILABLE
    provider.described, provider.redirect = {}, provider.url
    found = await tokens_of(provider).check(provider.issuer.token("lookup"))
    assert isinstance(found, Refusal)
    assert found.code is grpc.StatusCode.UNAVAILABLE


def test_keys_need_an_issuer_and_an_audience(tmp_path) -> None:
    """Without either whoever signs could name itself, or tokens for other services be accepted."""
    keys = Issuer(tmp_path / "jwks.json").path
    for settings, words in (
        ({"jwt_keys": keys, "jwt_audience": AUDIENCE}, "EVENTINDEX_JWT_ISSUERS is needed"),
        ({"jwt_issuers": "https://a.example"}, "EVENTINDEX_JWT_AUDIENCE is needed"),
        ({"jwt_issuers": "http://a.example", "jwt_audience": "x"}, "EVENTINDEX_JWT_ISSUERS"),
        ({"jwt_scope_map": "a=root"}, "EVENTINDEX_JWT_SCOPE_MAP"),
    ):
        with pytest.raises(ValueError, match=words):
            Settings(_env_file=None, **settings)


async def test_groups_and_roles_become_scopes(provider) -> None:
    """What Keycloak and INDIGO IAM put into claims of their own counts by the map."""
    for claim, groups in (
        ("wlcg.groups", {"wlcg.groups": ["/spd", "/spd/daq"]}),
        ("realm_access.roles", {"realm_access": {"roles": ["/spd", "/spd/daq", "other"]}}),
    ):
        settings = Settings(
            _env_file=None,
            jwt_issuers=provider.url,
            jwt_audience=AUDIENCE,
            jwt_scope_claim=claim,
            jwt_scope_map="/spd=lookup,/spd/daq=ingest",
        )
        found = await JwtTokens(settings).check(provider.issuer.token(**groups))
        assert isinstance(found, Caller)
        assert list(found.scopes) == ["lookup", "ingest"]
