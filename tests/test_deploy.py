"""docker-compose.yml and deploy/ against the code: nothing in them may name what is not there.

No Docker engine is needed. test_deploy_servers.py runs what can run without one.
"""

from __future__ import annotations

import importlib.util
import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from eventindex.cli import main as command_line
from service_kit.auth import access_rule
from service_kit.settings import Settings
from tests.processes import Service

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SERVICES = ("ingest_service", "index_service", "rest_gateway")
DATASOURCE = "eventindex-prometheus"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yml as Compose reads it, merge keys resolved."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """The sample names that each running service exports; no database is needed for that."""
    return {service: set(sample_names(service)) for service in SERVICES}


def sample_names(module: str) -> Iterator[str]:
    """Names as Prometheus stores them: a histogram has three."""
    service = Service(module, database_url="postgresql://nobody@127.0.0.1:1/none")
    try:
        _, text = service.start(wait="/healthz").page("/metrics")
    finally:
        service.close()
    for name, kind in re.findall(r"^# TYPE (eventindex_\w+) (\w+)$", text, re.MULTILINE):
        ends = ["_bucket", "_count", "_sum"] if kind == "histogram" else [""]
        yield from (name + end for end in ends if not name.endswith("_created"))


def dashboard() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana/dashboards/eventindex.json").read_text("utf-8"))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in alerts())


# docker-compose.yml


def test_compose_file_fits_the_compose_specification(compose: dict[str, Any]) -> None:
    """Compose accepts the file."""
    schema = json.loads((ROOT / "tests/data/compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(compose)


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    """The services are given settings that exist, with values that are valid together."""
    known = {f"EVENTINDEX_{name.upper()}" for name in Settings.model_fields}
    for name in ("migrate", *SERVICES):
        environment = compose["services"][name]["environment"]
        assert set(environment) <= known, name
        Settings(
            _env_file=None,
            **{key.removeprefix("EVENTINDEX_").lower(): v for key, v in environment.items()},
        )


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


def test_services_ask_for_tokens(compose: dict[str, Any]) -> None:
    """Whoever reaches a published port needs a token: nobody is let in by name."""
    for name in SERVICES:
        environment = compose["services"][name]["environment"]
        settings = Settings(
            _env_file=None,
            **{key.removeprefix("EVENTINDEX_").lower(): v for key, v in environment.items()},
        )
        address = environment[f"EVENTINDEX_{kind_of(name).upper()}_ADDRESS"]
        assert access_rule(settings, address).tokens, name


def test_services_wait_for_the_migration_and_have_time_to_drain(compose: dict[str, Any]) -> None:
    """They start after the migration succeeded and are killed later than they give up."""
    for name in SERVICES:
        service = compose["services"][name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        grace_s = float(service["environment"]["EVENTINDEX_SHUTDOWN_GRACE_S"])
        assert int(service["stop_grace_period"].removesuffix("s")) > grace_s


def test_no_password_is_in_the_file_and_make_env_writes_each(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    """Passwords come from deploy/.env alone, made once, random, for the owner's eyes."""
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text("utf-8")))
    text = json.dumps(compose)
    for url in re.findall(r"\w+://[^\"]*@", text):
        assert re.fullmatch(r"\w+://\w+:\$\{\w+_PASSWORD\}@", url)
    file = tmp_path / ".env"
    subprocess.run([DEPLOY / "make-env", file], check=True)
    written = dict(line.split("=") for line in file.read_text().splitlines())
    assert set(written) == wanted
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in written.values())
    assert len(set(written.values())) == len(written)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    subprocess.run([DEPLOY / "make-env", file], check=True)
    assert file.read_text() == before


def test_mounted_and_copied_files_exist(compose: dict[str, Any]) -> None:
    """Every mount and every COPY has its source in the tree."""
    mounts = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    ]
    named = {mount for mount in mounts if not mount.startswith(".")}
    assert named == set(compose["volumes"])
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8")
    for source in " ".join(copies).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}\n" in ignored, source
    for mount in set(mounts) - named:
        assert (ROOT / mount).is_dir(), mount


def dockerfile() -> str:
    return (DEPLOY / "Dockerfile").read_text("utf-8")


def test_image_targets_probe_the_port_that_they_serve(compose: dict[str, Any]) -> None:
    """Each target of the Dockerfile runs its service, not as root, and asks its readiness."""
    targets = dict(re.findall(r"^FROM base AS (\w+)\n(.*?)(?=^FROM|\Z)", dockerfile(), re.M | re.S))
    assert set(targets) == set(SERVICES)
    assert "\nUSER eventindex\n" in dockerfile()
    for name, text in targets.items():
        service = compose["services"][name]
        assert service["build"]["target"] == name
        assert f"CMD {json.dumps(service['command'])}\n" in text
        metrics = service["ports"][1].rsplit(":", 1)[1]
        assert f"http://127.0.0.1:{metrics}/readyz" in text
        for port in re.search(r"^EXPOSE (.+)$", text, re.MULTILINE)[1].split():
            assert f"127.0.0.1:{port}:{port}" in service["ports"]


# Prometheus and Grafana


def test_prometheus_scrapes_the_metrics_ports(compose: dict[str, Any]) -> None:
    """The scrape targets are the services by their names and metrics ports."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]
    }
    for name in SERVICES:
        port = compose["services"][name]["ports"][1].rsplit(":", 1)[1]
        assert jobs[name] == [f"{name}:{port}"]
    assert all((DEPLOY / "prometheus" / file).exists() for file in config["rule_files"])


def test_dashboard_and_alerts_ask_for_metrics_that_are_exported(
    exported: dict[str, set[str]],
) -> None:
    """No panel stays empty and no alert silent because of a wrong name."""
    names = set().union(*exported.values())
    for expression in expressions():
        asked = set(re.findall(r"\beventindex_\w+", expression))
        assert asked <= names, expression
        assert asked or expression.startswith("up{"), expression


def test_alerts_have_a_severity_and_a_line_in_the_operations_page() -> None:
    """Who is woken finds out what to do."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in page


def test_metrics_page_lists_what_is_exported(exported: dict[str, set[str]]) -> None:
    """docs/metrics.md names every metric of the project and no other."""
    page = (ROOT / "docs/metrics.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(eventindex_\w+)", page, re.MULTILINE))
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in set().union(*exported.values())}
    assert listed == names


def test_every_panel_uses_the_pinned_datasource() -> None:
    """A provisioned dashboard resolves no datasource variable: the uid is written out."""
    provisioned = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text("utf-8")
    )["datasources"]
    assert [source["uid"] for source in provisioned] == [DATASOURCE]
    assert "${DS_" not in json.dumps(dashboard())
    for panel in panels():
        assert panel["datasource"]["uid"] == DATASOURCE
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {DATASOURCE}
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_dashboard_is_where_grafana_looks(compose: dict[str, Any]) -> None:
    """The provider's path is the mount of the dashboards, and the home page one of them."""
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/eventindex.yml").read_text("utf-8")
    )["providers"][0]
    path = provider["options"]["path"]
    grafana = compose["services"]["grafana"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{path}/eventindex.json"
