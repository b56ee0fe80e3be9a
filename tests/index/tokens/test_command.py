"""`eventindex token`: from the first token on."""

from __future__ import annotations

import csv
import uuid
from typing import Any

import pytest
from click.testing import CliRunner, Result

import eventindex
from eventindex.cli import main
from tests.conftest import execute
from tests.support.ports import free_port
from tests.support.tokens import Stack


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
    assert refused.exit_code == 1
    assert "a token is needed: give one by EVENTINDEX_TOKEN" in refused.stderr
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
    audit = CliRunner().invoke(main, ["audit", *service, "--format", "csv"])
    assert audit.exit_code == 0, audit.stderr
    actions = list(csv.DictReader(audit.stdout.splitlines()))
    assert [(one["method"], one["subject"], one["outcome"]) for one in actions[:3]] == [
        ("RevokeToken", "root", "OK"),
        ("CreateToken", "root", "OK"),
        ("CreateToken", "database", "OK"),
    ]
    assert '"reco"' in actions[1]["request"]
    assert "eix_" not in audit.stdout
    some = CliRunner().invoke(main, ["audit", *service, "--subject", "root", "--limit", "1"])
    assert "RevokeToken" in some.stdout
    assert "CreateToken" not in some.stdout


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
