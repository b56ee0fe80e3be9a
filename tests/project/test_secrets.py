"""Secrets: where they may be, and that no message, log or argument list shows one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from eventindex.addresses import find_address
from eventindex.errors import ConfigError
from service_kit.settings import Settings
from tests.support import command
from tests.support.processes import Service

ROOT = Path(__file__).parents[2]
URL = "postgresql://anna:zzsecret@127.0.0.1:5999/x"
BROKER = "mqtt://anna:zzsecret@127.0.0.1:1999"
# A password that was not encoded takes the place of a host, a port, a database or an escape.
UNREADABLE = [
    "postgresql://anna:s%zzsecret@h/x",
    "postgresql://anna:a@zzsecret@h/x",
    "postgresql://anna:12/zzsecret@h/x",
    "postgresql://anna:zzsecret/1@h/x",
    "postgresql://anna:1#zzsecret@h:zz/x",
    "zzsecret",
    "host=h password='zzsecret",
    "postgresql://anna:12/x?zzsecret=1@h/y",
    "postgresql://anna:12/x?zzsecret@h/y",
]
NO_BROKER = [
    "mqtt://anna:12/zzsecret@h",
    "mqtt://anna:zzsecret/1@h",
    "mqtt://anna:a?zzsecret@h",
    "mqtt://anna:a#zzsecret@h",
    "mqtt://anna:[zzsecret@h",
    "mqtt://anna:zzsecret\u2100@h",
    "mqtt://anna:p@h:zzsecret",
    "anna:zzsecret@h",
    "zzsecret",
]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("EVENTINDEX_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def urls() -> tuple[str, str]:
    settings = Settings()
    return settings.database_url.get_secret_value(), settings.mqtt_url.get_secret_value()


def test_secrets_come_from_variables_files_and_directories(monkeypatch, tmp_path) -> None:
    """A variable, before the file that NAME_FILE names, before the directories of containers."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "eventindex_database_url").write_text(f"{URL}1\n")
    (directory / "EVENTINDEX_MQTT_URL").write_text(f"{BROKER}1\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    assert urls() == (f"{URL}1", f"{BROKER}1")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert urls() == ("", "")
    (tmp_path / ".env").write_text(f"EVENTINDEX_SECRETS_DIR={directory}\n")
    assert urls() == (f"{URL}1", f"{BROKER}1")
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("EVENTINDEX_SECRETS_DIR", str(directory))
    assert urls() == (f"{URL}1", f"{BROKER}1")
    for name, text in (("DATABASE_URL", f"{URL}2\n"), ("MQTT_URL", f" {BROKER}2 ")):
        (tmp_path / name).write_text(text)
        monkeypatch.setenv(f"EVENTINDEX_{name}_FILE", str(tmp_path / name))
        monkeypatch.setenv(f"EVENTINDEX_{name}", "")
    assert urls() == (f"{URL}2", f"{BROKER}2")
    monkeypatch.setenv("EVENTINDEX_DATABASE_URL", f"{URL}3")
    assert urls()[0] == f"{URL}3"


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("DATABASE_URL_FILE", "absent", "EVENTINDEX_DATABASE_URL_FILE: absent: No such file"),
        ("MQTT_URL_FILE", "absent", "EVENTINDEX_MQTT_URL_FILE: absent: No such file"),
        ("MQTT_URL_FILE", "empty", "EVENTINDEX_MQTT_URL_FILE: empty holds no URL"),
        ("DATABASE_URL_FILE", "latin", "EVENTINDEX_DATABASE_URL_FILE: latin is not UTF-8"),
        ("SECRETS_DIR", "absent", "EVENTINDEX_SECRETS_DIR: absent is not a directory"),
    ],
)
def test_a_secret_that_cannot_be_read_is_named(name, path, said, monkeypatch, tmp_path) -> None:
    """Somebody who mounted it in another place reads which file was looked for."""
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes(b"\xff")
    monkeypatch.setenv(f"EVENTINDEX_{name}", path)
    with pytest.raises(ValidationError, match=re.escape(said)):
        Settings()


@pytest.mark.parametrize(
    ("variable", "url"),
    [("DATABASE_URL", url) for url in UNREADABLE] + [("MQTT_URL", url) for url in NO_BROKER],
)
def test_a_bad_url_is_named_and_not_shown(variable, url, monkeypatch) -> None:
    """Whatever of a password ended up in the place of a host or a port: no message repeats it."""
    monkeypatch.setenv(f"EVENTINDEX_{variable}", url)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert f"EVENTINDEX_{variable}" in str(refused.value)
    assert "zzsecret" not in str(refused.value)


def test_a_service_ends_at_a_bad_url_and_does_not_wait() -> None:
    """A URL that will never be one is not a database that is away; its log holds no part of it."""
    service = Service("index_service", database_url=UNREADABLE[0])
    try:
        service.start(wait="")
        assert service.process is not None
        assert service.process.wait(60) == 2
        assert "EVENTINDEX_DATABASE_URL" in service.tail()
        assert "zzsecret" not in service.tail()
    finally:
        service.close()


def test_readable_urls_of_all_forms_are_taken() -> None:
    """What libpq and brokers understand is refused by nobody: sockets, lists of hosts, IPv6."""
    for url in (
        "postgresql://u:p%40%2F%25@h1:5432,h2:5433/x?target_session_attrs=read-write",
        "postgresql:///x?host=/var/run/postgresql",
        "postgresql://u@[::1]:5432/x",
        "postgresql://%2Fvar%2Frun/x",
        "host=h.example.org dbname=x password='a b@c'",
        "dbname=x",
    ):
        assert Settings(database_url=url).database_url.get_secret_value() == url
    for url in ("mqtt://u:p%2F@h", "mqtts://h.example.org:8884", "mqtt://[::1]:1883", ""):
        assert Settings(mqtt_url=url).mqtt_url.get_secret_value() == url


def test_settings_that_are_printed_show_no_secret() -> None:
    """A traceback or a debugger's print of the settings gives nothing away."""
    settings = Settings(database_url=URL, mqtt_url=BROKER, token="zzsecret")
    assert "zzsecret" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert "zzsecret" not in settings.model_dump_json()


def test_the_command_line_shows_no_password(tmp_path, monkeypatch) -> None:
    """Bad URLs are named, `status` leaves passwords out, files are read."""

    def run(*arguments: str) -> str:
        return command.run(*arguments).output

    for said in (
        run("publish", os.devnull, "--topic", "t", "--url", NO_BROKER[0]),
        run("migrate", "--database", UNREADABLE[0]),
        run("migrate", "--database", UNREADABLE[1]),
        run("lookup", "1:1", "--address", "grpc://anna:zzsecret@h"),
    ):
        assert "eventindex: " in said
        assert "zzsecret" not in said
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    monkeypatch.setenv("EVENTINDEX_DATABASE_URL_FILE", str(file))
    monkeypatch.setenv("EVENTINDEX_MQTT_URL", BROKER)
    said = run("status", "--retry", "0")
    assert "postgresql://anna@127.0.0.1:5999/x" in said
    assert "mqtt://anna@127.0.0.1:1999" in said
    assert "zzsecret" not in said
    monkeypatch.delenv("EVENTINDEX_DATABASE_URL_FILE")
    monkeypatch.setenv("EVENTINDEX_DATABASE_URL", "host=h password=zzsecret")
    assert "zzsecret" not in run("status", "--retry", "0")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory of another user")
def test_the_stack_of_another_user_is_not_believed(tmp_path) -> None:
    """Who plants a directory where others work gets neither their pairs nor their tokens."""
    directory = tmp_path / ".eventindex"
    directory.mkdir()
    (directory / "endpoints.json").write_text('{"index": "127.0.0.1:5999"}')
    assert find_address("index") == "127.0.0.1:5999"
    os.chown(directory, 4242, -1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        find_address("index")


@pytest.mark.parametrize("url", [URL, "postgresql://anna@127.0.0.1:5999/x?password=zzsecret"])
def test_psql_gets_the_password_where_nobody_sees_it(url, tmp_path, monkeypatch) -> None:
    """`eventindex psql` gives it to the program through its environment."""
    program = tmp_path / "psql"
    program.write_text('#!/bin/sh\necho "$* in $PGPASSWORD"\n')
    program.chmod(0o755)
    code = (
        "import eventindex.cli.psql as p; "
        f"p._find = lambda: {str(program)!r}; p.psql(['-c', 'SELECT 1'])"
    )
    monkeypatch.setenv("EVENTINDEX_DATABASE_URL", url)
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout == "postgresql://anna@127.0.0.1:5999/x -c SELECT 1 in zzsecret\n"


_IN_ARGUMENTS = re.compile(
    r"""-H\s+"[^"]*(?:\$\{?EVENTINDEX_TOKEN|\$\(cat)|--database\s+"?\$|--url\s+mqtts?://[^@\s]*:"""
    r"""|(?:psql|pg_dump|pg_restore|pg_basebackup)\s[^\n`]*"\$\w*URL"""
    r"""|mosquitto_\w+\s[^\n`]*\s(?:-P|--pw)\s|PGPASSWORD=\S+\s+psql"""
)


def test_no_document_writes_a_secret_into_arguments() -> None:
    """What people paste from the docs, and what deploy/ runs, shows no other user a secret."""
    places = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*")]
    places += [ROOT / "docker-compose.yml", *ROOT.glob("deploy/**/*")]
    found = []
    for path in places:
        if path.is_file() and path.suffix not in {".png", ".json", ".pyc"}:
            text = path.read_text("utf-8").replace("\\\n", " ")
            found += [f"{path}: {match[0]}" for match in _IN_ARGUMENTS.finditer(text)]
    assert found == []
    for bad in (
        'curl -H "Authorization: Bearer $EVENTINDEX_TOKEN" x',
        'pg_dump "$DATABASE_URL"',
        "mosquitto_pub -u a -P secret -t x",
        'token create --database "$OWNER_URL"',
    ):
        assert _IN_ARGUMENTS.search(bad)
