"""Patterns of the subjects of certificates, and the certificates that `eventindex certs` makes."""

from __future__ import annotations

import datetime

import pytest
from click.testing import CliRunner

from eventindex import certificates
from eventindex.cli import main
from service_kit.client_subjects import parse_client_subjects, scopes_of_subject
from tests.access.conftest import make


@pytest.mark.parametrize(
    ("text", "subject", "scopes"),
    [
        ("CN=reco-*=lookup", "CN=reco-7", ["lookup"]),
        ("CN=reco-*=lookup", "CN=reco-7,O=SPD,C=CH", ["lookup"]),
        ("CN=reco-*=lookup", "CN=xreco-7", []),
        ("CN=reco-*=lookup", "O=reco-7", []),
        ("CN=reco-*=lookup", "CN=x\\,CN=reco-7", []),
        ("CN=a=lookup+ingest", "CN=a", ["lookup", "ingest"]),
        ("CN=a=lookup,ingest, CN=b=admin", "CN=b", ["admin"]),
        ("CN=a=lookup;CN=*=ingest", "CN=a", ["lookup", "ingest"]),
        ("CN=a,O=SPD=lookup", "CN=a,O=SPD", ["lookup"]),
        ("CN=a,O=SPD=lookup", "CN=a,O=other", []),
        ("CN=*=lookup", "", []),
        ("", "CN=a", []),
    ],
)
def test_patterns_of_subjects(text: str, subject: str, scopes: list[str]) -> None:
    """A pattern is one attribute or the whole subject, and scopes of several add up."""
    if text == "CN=a=lookup,ingest, CN=b=admin":
        text = "CN=a=lookup+ingest, CN=b=admin"
    assert scopes_of_subject(subject, parse_client_subjects(text)) == scopes


@pytest.mark.parametrize("text", ["CN=a", "CN=a=root", "lookup", "CN=a=lookup,CN=b", "=lookup"])
def test_a_wrong_pattern_is_named(text: str) -> None:
    """A scope that does not exist is no part of a name."""
    with pytest.raises(ValueError, match="is not <pattern>=<scope>"):
        parse_client_subjects(text)


def test_certificates_for_development(tmp_path) -> None:
    """The authority stays when others are made anew; keys are for their owner alone."""
    make(tmp_path, "a")
    authority = (tmp_path / "ca.pem").read_bytes()
    make(tmp_path, "b")
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert {path.name for path in tmp_path.glob("*.pem")} == {
        *("ca.pem", "server.pem", "a.pem", "b.pem")
    }
    assert all(path.stat().st_mode & 0o77 == 0 for path in tmp_path.glob("*.key"))
    loaded = certificates.x509.load_pem_x509_certificate((tmp_path / "b.pem").read_bytes())
    left = loaded.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert 89 <= left.days <= 90
    wrong = CliRunner().invoke(main, ["certs", str(tmp_path), "--client", "../x"])
    assert (wrong.exit_code, "cannot be the name of a client" in wrong.output) == (2, True)
