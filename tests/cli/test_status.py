"""What the commands say of the services, of themselves, and of a name or address that is wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from eventindex.cli import _COMMANDS, main
from tests.support.command import DATA, run
from tests.support.ports import free_port


def test_status_tells_where_and_how(services: None, monkeypatch: pytest.MonkeyPatch):
    """Addresses, what says so, versions, health and contents are on one page."""
    monkeypatch.setenv("EVENTINDEX_DATABASE_URL", "postgresql://me:secret@db.example/index")
    assert run("load", str(DATA / "dump.dat")).exit_code == 0
    result = run("status")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count(f"version {version('eventindex')}, answers in") == 2
    for words in (
        "address from EVENTINDEX_INGEST_ADDRESS",
        "3 events, 1 run, 1 file, 1 dataset",
        "postgresql://me@db.example/index",
        "token",
    ):
        assert words in result.stdout
    assert "secret" not in result.stdout
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", "127.0.0.1:9")
    away = run("status", "--retry", "0")
    assert away.exit_code == 1
    assert "does not answer" in away.stdout


def test_the_other_service_says_which_it_is(ingest_address: str):
    """Who mixes up the ports is told, over a call and over a stream, without waiting."""
    for command in (["runs"], ["lookup", "1:1"], ["status"]):
        result = run(*command, "--address", ingest_address)
        said = result.stderr + result.stdout
        assert "this is the ingest service: IndexService is at the address of" in said
        assert result.exit_code == 1


def test_a_port_of_something_else_is_told(index_address: str, tmp_path: Path):
    """An address of a web page, or of the index where ingest is needed, is recognised at once."""
    result = run("dead-letters", "--address", index_address)
    assert "this is the index service: AdminService is at" in result.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        started = time.monotonic()
        found = run("runs", "--address", f"127.0.0.1:{page.server_port}")
        page.shutdown()
    assert "no gRPC service: a web page, metrics or something else" in found.stderr
    assert (found.exit_code, time.monotonic() - started < 5) == (1, True)


def test_a_port_where_nothing_listens_is_told():
    """Not in the words of a library."""
    away = run("runs", "--address", f"127.0.0.1:{free_port()}", "--retry", "0")
    assert (away.exit_code, "nothing listens at this address" in away.stderr) == (1, True)


def test_psql_runs_on_the_database(database_url: str):
    """SQL needs no search for the program, the URL and the password."""
    command = [Path(sys.executable).with_name("eventindex"), "psql", "--database", database_url]
    done = subprocess.run(
        [*command, "-Atc", "SELECT count(*) FROM events"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "0\n"


def test_a_mistyped_command_is_recognised():
    """A wrong name is answered with the one that was meant."""
    wrong = run("lookp")
    assert (wrong.exit_code, "Did you mean 'lookup'?" in wrong.stderr) == (2, True)
    assert "Did you mean" not in run("zzz").stderr


def test_the_list_of_commands_says_what_they_say():
    """The help of all commands names each, in the words of its own help."""
    context = click.Context(main)
    for name, words in _COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200).rstrip(".") == words.rstrip("."), name
    shown = run("--help").stdout
    assert all(f"  {name} " in shown for name in _COMMANDS)


def test_users_of_the_broker_are_made_where_the_stack_is(tmp_path, monkeypatch):
    """`mqtt-users` runs the script beside docker-compose.yml, and says where none is."""
    refused = run("mqtt-users", "--directory", tmp_path, "list")
    assert refused.exit_code == 1
    assert f"there is no deploy/mqtt-users in {tmp_path}" in refused.stderr
    script = tmp_path / "deploy/mqtt-users"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nexit 3\n')
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert run("mqtt-users", "add", "detector7").exit_code == 3
    assert (tmp_path / "asked").read_text() == "add detector7\n"
