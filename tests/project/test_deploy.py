"""docker-compose.yml and deploy/ against the code: nothing in them may name what is not there.

No Docker engine is needed. test_deploy_servers.py runs what can run without one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import jsonschema
import pytest
import yaml

from eventindex.cli import main as command_line
from service_kit.auth import access_rule
from service_kit.settings import Settings
from tests.support.deploy import DEPLOY, ROOT, SERVICES, dockerfile

# A release, and the one image that had it when it was looked at.
EXACT_IMAGE = r"[\w./-]+:v?\d+\.\d+(\.\d+)?[\w-]*@sha256:[0-9a-f]{64}"

# docker-compose.yml


def test_compose_file_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    """Compose accepts the file."""
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(compose)


def filled(value: object) -> str:
    """What Compose makes of a variable that has to be given."""
    return re.sub(r"\$\{\w+:\?[^}]*\}", "secret", str(value))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/make-env writes: .env and secrets/."""
    folder = tmp_path_factory.mktemp("deploy")
    subprocess.run([DEPLOY / "make-env", folder / ".env"], check=True)
    return folder


def settings_of(service: dict[str, Any], made: Path) -> Settings:
    """The settings of a service, with the secrets that are mounted for it."""
    values = {
        name.removeprefix("EVENTINDEX_").lower(): filled(value)
        for name, value in service["environment"].items()
    }
    for name in [name for name in values if name.endswith("_file")]:
        mounted = Path(values[name])
        assert str(mounted.parent) == "/run/secrets"
        assert mounted.name in service["secrets"]
        values[name] = str(made / "secrets" / mounted.name)
    return Settings(_env_file=None, **values)


def test_every_variable_is_a_setting(compose: dict[str, Any], made: Path) -> None:
    """The services are given settings that exist, with values that are valid together."""
    known = {f"EVENTINDEX_{name.upper()}" for name in Settings.model_fields}
    for name in ("migrate", *SERVICES):
        assert set(compose["services"][name]["environment"]) <= known, name
        settings_of(compose["services"][name], made)


def test_passwords_of_the_services_are_in_files(compose: dict[str, Any], made: Path) -> None:
    """`docker inspect` shows none; each service has its own, of deploy/.env, also a changed one."""

    def password(name: str) -> str | None:
        url = settings_of(compose["services"][name], made).database_url.get_secret_value()
        return urlsplit(url).password

    given = {
        "migrate": "POSTGRES_PASSWORD",
        "ingest_service": "WRITER_PASSWORD",
        "index_service": "READER_PASSWORD",
        "rest_gateway": "GATEWAY_PASSWORD",
    }
    for changed in (False, True):
        written = dict(line.split("=") for line in (made / ".env").read_text().splitlines())
        for name, variable in given.items():
            assert password(name) == written[variable]
            environment = compose["services"][name]["environment"]
            assert "PASSWORD" not in json.dumps(environment), name
        broker = settings_of(compose["services"]["ingest_service"], made).mqtt_url
        assert urlsplit(broker.get_secret_value()).password == written["MQTT_INGEST_PASSWORD"]
        if not changed:
            text = (made / ".env").read_text().replace(written["READER_PASSWORD"], "another")
            (made / ".env").write_text(text)
            subprocess.run([DEPLOY / "make-env", made / ".env"], check=True)
    files = {Path(s["file"]).name for s in compose["secrets"].values() if "file" in s}
    assert {path.name for path in (made / "secrets").iterdir()} == files


def kind_of(service: str) -> str:
    """What the settings of a service's addresses begin with."""
    return "http" if service == "rest_gateway" else service.removesuffix("_service")


def test_commands_exist(compose: dict[str, Any]) -> None:
    """The services run modules that can be run, migrate a subcommand that is there."""
    for name in SERVICES:
        assert compose["services"][name]["command"] == ["python", "-m", name]
        assert importlib.util.find_spec(f"{name}.__main__")
    program, subcommand = compose["services"]["migrate"]["command"]
    assert program == "eventindex"
    assert command_line.get_command(click.Context(command_line), subcommand)


def test_ports_are_those_of_the_settings_and_stay_on_this_machine(compose: dict[str, Any]) -> None:
    """Each service listens where its settings say, on the default ports, published on loopback."""
    fields = Settings.model_fields
    for name in SERVICES:
        kind = kind_of(name)
        service = compose["services"][name]
        ports = [fields[f"{kind}{part}_address"].default.split(":")[1] for part in ("", "_metrics")]
        given = [
            service["environment"][f"EVENTINDEX_{kind.upper()}{part}_ADDRESS"]
            for part in ("", "_METRICS")
        ]
        assert given == [f"0.0.0.0:{port}" for port in ports]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_services_ask_for_tokens(compose: dict[str, Any], made: Path) -> None:
    """Whoever reaches a published port needs a token: nobody is let in by name."""
    for name in SERVICES:
        environment = compose["services"][name]["environment"]
        settings = settings_of(compose["services"][name], made)
        address = environment[f"EVENTINDEX_{kind_of(name).upper()}_ADDRESS"]
        assert access_rule(settings, address).tokens, name


def test_services_wait_for_the_migration_and_have_time_to_drain(compose: dict[str, Any]) -> None:
    """They start after the migration succeeded and are killed later than they give up."""
    for name in SERVICES:
        service = compose["services"][name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        given = service["environment"].get("EVENTINDEX_SHUTDOWN_MAX_S")
        bound_s = float(given or Settings.model_fields["shutdown_max_s"].default)
        assert int(service["stop_grace_period"].removesuffix("s")) > bound_s + 10


def test_no_password_is_in_the_file_and_make_env_writes_each(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    """Passwords come from deploy/.env alone, made once, random, for the owner's eyes."""
    wanted = {s["environment"] for s in compose["secrets"].values() if "environment" in s}
    text = json.dumps(compose)
    # Drawn like a password: who knew it could take the session over.
    wanted.add("MQTT_CLIENT_ID")
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= wanted
    assert re.findall(r"\w+://[^\"]*@", text) == []
    file = tmp_path / ".env"
    subprocess.run([DEPLOY / "make-env", file], check=True)
    written = dict(line.split("=") for line in file.read_text().splitlines())
    assert set(written) == wanted
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in written.values())
    assert len(set(written.values())) == len(written)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    address = tmp_path / "secrets/alert_webhook_url"
    assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
    address.write_text("https://chat.example/hook")
    before = file.read_text()
    subprocess.run([DEPLOY / "make-env", file], check=True)
    assert file.read_text() == before
    assert address.read_text() == "https://chat.example/hook"


def test_make_env_adds_what_a_new_release_wants_and_keeps_the_rest(tmp_path: Path) -> None:
    """An update that brings a password finds it made; those that the volumes know stay."""
    file = tmp_path / ".env"
    file.write_text("POSTGRES_PASSWORD=old\nMINE=kept\n")
    subprocess.run([DEPLOY / "make-env", file], check=True)
    lines = file.read_text().splitlines()
    assert lines[:2] == ["POSTGRES_PASSWORD=old", "MINE=kept"]
    assert {line.partition("=")[0] for line in lines[2:]} >= {"WRITER_PASSWORD", "READER_PASSWORD"}


def test_make_env_makes_no_new_password_for_an_old_volume(tmp_path: Path) -> None:
    """With the file lost and the volume kept it says what to do, and writes nothing."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n")  # `docker volume inspect` finds the volume
    docker.chmod(0o755)
    file = tmp_path / "deploy.env"
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [DEPLOY / "make-env", file], check=False, capture_output=True, text=True, env=path
    )
    assert done.returncode == 1
    assert "eventindex_postgres-data is there and knows another one" in done.stderr
    assert not file.exists()


def test_mounted_and_copied_files_exist(compose: dict[str, Any]) -> None:
    """Every mount and every COPY has its source in the tree."""
    mounts = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    ]
    named = {mount for mount in mounts if mount[0] not in "./"}
    assert named == set(compose["volumes"])
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
    for source in " ".join(copies).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in ignored, source
    for mount in set(mounts) - named:
        assert (ROOT / mount).is_dir(), mount


def test_nothing_grows_without_bounds(compose: dict[str, Any]) -> None:
    """Memory, logs and /tmp have an end, and the largest list of a job fits into /tmp."""
    for name, service in compose["services"].items():
        assert service["mem_limit"], name
        assert service["logging"]["options"]["max-size"], name
        assert all(":size=" in mount for mount in service.get("tmpfs", [])), name
    gateway = compose["services"]["rest_gateway"]
    (size,) = gateway["tmpfs"]
    assert int(gateway["environment"]["EVENTINDEX_HTTP_JOB_BYTES_MAX"]) <= bytes_of(size) / 4
    assert bytes_of(f"={gateway['mem_limit']}") > bytes_of(size)


def bytes_of(size: str) -> int:
    """What a size of Compose is, such as `/tmp:size=64m`."""
    number, unit = re.search(r"=(\d+)([mg])$", size).groups()
    return int(number) * {"m": 2**20, "g": 2**30}[unit]


def test_postgres_has_a_connection_for_everybody(compose: dict[str, Any]) -> None:
    """Three index services of six workers, two gateways and ingest fit into max_connections."""
    services = compose["services"]
    (limit,) = re.findall(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))
    fields = Settings.model_fields
    # Beside queries: the probe, the tokens, and two that cancel.
    a_worker = fields["database_connections_max"].default + 4
    gateway = fields["http_database_connections_max"].default + 3
    # Beside the writer: one that tries, the administration, tokens, the session, the probe.
    ingest = 9
    workers = int(services["index_service"]["environment"]["EVENTINDEX_INDEX_WORKERS"])
    assert workers == int(services["index_service"]["cpus"])
    reserved = 3  # for a superuser
    assert 3 * 6 * a_worker + 2 * gateway + ingest + reserved <= int(limit)


def test_images_are_pinned_and_have_a_name(compose: dict[str, Any]) -> None:
    """A rollback finds the images of the release before: ours bear its number, others are exact."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for name, service in compose["services"].items():
        if "build" in service:
            repository, tag = service["image"].rsplit(":", 1)
            assert (repository.partition("/")[0], tag) == ("eventindex", project["version"]), name
        else:
            assert re.fullmatch(EXACT_IMAGE, service["image"]), name
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", dockerfile(), re.MULTILINE)
    assert re.fullmatch(EXACT_IMAGE, base)


def test_no_secret_is_in_an_argument_list(compose: dict[str, Any]) -> None:
    """Who may list processes or inspect commands learns no password."""
    for name, service in compose["services"].items():
        said = json.dumps([service.get("command"), service.get("healthcheck")])
        assert "PASSWORD" not in said, name
        assert "$$" not in said, name


def test_scaled_services_share_no_port_of_the_machine(compose: dict[str, Any]) -> None:
    """deploy/scale.yml gives each container of the services that it is for a free port."""

    class Loader(yaml.SafeLoader):
        """Reads Compose's own tag as what it replaces."""

    Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))
    text = (DEPLOY / "scale.yml").read_text("utf-8")
    for name, service in yaml.load(text, Loader)["services"].items():
        (port,) = service["ports"]
        assert f"127.0.0.1:{port.rpartition(':')[2]}" in compose["services"][name]["ports"][0]
        assert port.startswith("127.0.0.1::")
