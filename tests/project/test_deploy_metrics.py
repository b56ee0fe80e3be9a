"""What is watched: dashboards, alerts and the metrics page against what the services export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.deploy import DEPLOY, ROOT, SERVICES
from tests.support.processes import Service

DATASOURCE = "eventindex-prometheus"


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """The sample names that each running service exports; no database is needed for that."""
    return {service: set(sample_names(service)) for service in SERVICES}


def sample_names(module: str) -> Iterator[str]:
    """Names as Prometheus stores them: a histogram has three."""
    service = Service(
        module,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        mqtt_url="mqtt://127.0.0.1:1",
    )
    try:
        _, text = service.start(wait="/healthz").page("/metrics")
    finally:
        service.close()
    for name, kind in re.findall(r"^# TYPE (eventindex_\w+) (\w+)$", text, re.MULTILINE):
        ends = ["_bucket", "_count", "_sum"] if kind == "histogram" else [""]
        yield from (name + end for end in ends if not name.endswith("_created"))


def dashboards() -> list[dict[str, Any]]:
    files = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
    return [json.loads(file.read_text("utf-8")) for file in files]


def panels() -> list[dict[str, Any]]:
    return [panel for dashboard in dashboards() for panel in dashboard["panels"]]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in alerts())


# Prometheus and Grafana


def test_prometheus_scrapes_the_metrics_ports(compose: dict[str, Any]) -> None:
    """The scrape targets are the services by their names and metrics ports."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for name in SERVICES:
        (found,) = jobs.pop(name)["dns_sd_configs"]
        port = compose["services"][name]["ports"][1].rsplit(":", 1)[1]
        assert (found["names"], found["type"], found["port"]) == ([name], "A", int(port))
    for name, job in jobs.items():
        host = job["static_configs"][0]["targets"][0].split(":")[0]
        assert host == ("localhost" if name == "prometheus" else name)
        assert name in compose["services"]
    assert all((DEPLOY / "prometheus" / file).exists() for file in config["rule_files"])


def test_dashboard_and_alerts_ask_for_metrics_that_are_exported(
    exported: dict[str, set[str]],
) -> None:
    """No panel stays empty and no alert silent because of a wrong name."""
    names = set().union(*exported.values())
    for expression in expressions():
        asked = set(re.findall(r"\beventindex_\w+", expression))
        assert asked <= names, expression
        others = r"\b(up\{|ALERTS\{|(node|process|alertmanager|prometheus)_)"
        assert asked or re.search(others, expression), expression


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
    assert "${DS_" not in json.dumps(dashboards())
    for panel in panels():
        assert panel["datasource"]["uid"] == DATASOURCE
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {DATASOURCE}
    for dashboard in dashboards():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)


def test_dashboard_is_where_grafana_looks(compose: dict[str, Any]) -> None:
    """The provider's path is the mount of the dashboards, and the home page one of them."""
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/eventindex.yml").read_text("utf-8")
    )["providers"][0]
    path = provider["options"]["path"]
    grafana = compose["services"]["grafana"]
    assert f"./deploy/grafana/dashboards:{path}:ro,z" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{path}/services.json"
    assert (DEPLOY / "grafana/dashboards/services.json").exists()
