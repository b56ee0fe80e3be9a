"""Fixtures of the tests of access tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import execute
from tests.support.ingest import make_certificates
from tests.support.tokens import CACHE_S, Stack, open_service


@pytest.fixture(scope="session")
def stack(postgres, _template, tmp_path_factory) -> Iterator[Stack]:
    """Both services behind TLS, on a database of their own."""
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
