"""Alerts and dashboards, by promtool, and by Prometheus and Alertmanager on a running stack."""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import eventindex
from eventindex import EventColumns, RawFile
from tests.conftest import execute
from tests.project.test_docs import ROOT, anchors
from tests.support.gateway import database
from tests.support.ingest import FUID, Publisher, json_event, make_certificates
from tests.support.monitoring import (
    DEPLOY,
    Prometheus,
    Receiver,
    alertmanager_config,
    missing_programs,
    panels,
    running,
)
from tests.support.ports import free_port
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

BEHIND, QUICK = "EventIndexIngestBehind", "EventIndexIngestBehindQuick"
ALERTS = DEPLOY / "prometheus/alerts.yml"
needs_prometheus = pytest.mark.skipif(
    bool(missing_programs()), reason=f"not installed: {', '.join(missing_programs())}"
)


def alerts() -> list[dict[str, Any]]:
    """The rules of deploy/."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


# Without a running stack


@pytest.mark.slow
@needs_prometheus
def test_each_alert_fires_and_does_not() -> None:
    """Prometheus' own tests of the rules pass, and there is one of both kinds for each rule."""
    file = DEPLOY / "prometheus/alerts_test.yml"
    done = subprocess.run(
        ["promtool", "test", "rules", file], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    tried: dict[bool, set[str]] = {True: set(), False: set()}
    for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
        for asked in test["promql_expr_test"]:
            name = re.search(r'alertname="(\w+)"', asked["expr"])[1]
            tried[bool(asked["exp_samples"])].add(name)
    names = {rule["alert"] for rule in alerts()}
    assert tried == {True: names, False: names}


def test_each_alert_leads_to_a_runbook() -> None:
    """Who is told finds a sentence and a heading with what to do; no runbook is left over."""
    page = ROOT / "docs/runbooks.md"
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")
        path, _, heading = rule["annotations"]["runbook_url"].partition("#")
        assert (ROOT / path).resolve() == page
        assert heading == rule["alert"].lower()
    text = page.read_text("utf-8")
    headings = {anchor for anchor in anchors(page) if anchor.startswith("eventindex")}
    assert headings == {rule["alert"].lower() for rule in alerts()}
    for section in text.split("\n## ")[1:]:
        assert all(f"**{word}" in section for word in ("Look", "Do", "Stop")), section[:40]


@needs_prometheus
def test_prometheus_takes_its_configuration() -> None:
    """The file that the container mounts is one that Prometheus starts with, rules included."""
    file = DEPLOY / "prometheus/prometheus.yml"
    subprocess.run(["promtool", "check", "config", file], check=True)


# On a running stack


@dataclass
class Stack:
    """Everything at work and watched, with nothing stored yet."""

    database_url: str
    broker: Mosquitto
    ingest: Service
    gateway: Service
    prometheus: Prometheus
    receiver: Receiver


@pytest.fixture(scope="module")
def stack(
    postgres: PostgresServer,
    _template: str,
    mosquitto: Mosquitto,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """The services with Prometheus, Alertmanager and node_exporter beside them."""
    folder = tmp_path_factory.mktemp("monitoring")
    with ExitStack() as end:
        url = end.enter_context(database(postgres, _template))
        # Read by the metric alone: this broker speaks no TLS.
        make_certificates(certificates := Path(tempfile.mkdtemp(dir=folder)), days=60)
        ingest = Service(
            "ingest_service",
            database_url=url,
            mqtt_url=mosquitto.url,
            mqtt_tls_cert=certificates / "client.pem",
            mqtt_tls_key=certificates / "client.key",
        )
        index = Service("index_service", database_url=url)
        gateway = Service(
            "rest_gateway",
            database_url=url,
            index_address=index.address,
            ingest_address=ingest.address,
        )
        for service in (ingest, index, gateway):
            end.callback(service.close)
            service.start(wait="")
        receiver = Receiver()
        end.callback(receiver.close)
        node, manager = free_port(), free_port()
        listen = f"--web.listen-address=127.0.0.1:{node}"
        end.enter_context(running(folder, "prometheus-node-exporter", node, listen))
        listen = f"--web.listen-address=127.0.0.1:{manager}"
        config = alertmanager_config(folder, receiver.address)
        arguments = (f"--config.file={config}", f"--storage.path={folder}", listen)
        end.enter_context(
            running(
                folder, "prometheus-alertmanager", manager, *arguments, "--cluster.listen-address="
            )
        )
        targets = {s.module: s.metrics_port for s in (ingest, index, gateway)}
        targets["node_exporter"] = node
        prometheus = Prometheus(folder, targets, manager, quick=BEHIND)
        end.enter_context(running(folder, "prometheus", prometheus.port, *prometheus.command[1:]))
        wait_until(prometheus.ready, what="Prometheus")
        for service in (ingest, index, gateway):
            wait_until(lambda s=service: s.page("/readyz")[0] == 200, what=f"{service.module}")
        yield Stack(url, mosquitto, ingest, gateway, prometheus, receiver)


def numbers(prometheus: Prometheus, expression: str) -> list[float]:
    """What a panel would draw, with all instances chosen."""
    asked = expression.replace("$__rate_interval", "5s").replace("$instance", ".*")
    values = [float(sample["value"][1]) for sample in prometheus.query(asked)]
    return [value for value in values if not math.isnan(value)]


@pytest.mark.slow
@needs_prometheus
def test_no_panel_is_empty_on_an_idle_stack(stack: Stack) -> None:
    """Every query of every panel has a number, before anything was ever stored or asked."""
    for name, panel in panels():
        for target in panel["targets"]:
            wait_until(
                lambda asked=target["expr"]: numbers(stack.prometheus, asked),
                what=f"number of {name}: {panel['title']}: {target['expr']}",
            )


@pytest.mark.slow
@needs_prometheus
def test_rules_look_at_what_is_there_and_are_quiet(stack: Stack) -> None:
    """Every metric in a rule exists, and none of the alerts fires while all is well."""
    counted_at_first = {
        "eventindex_ingest_dead_letters_total",
        "eventindex_ingest_rejected_events_total",
    }
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://{stack.gateway.address}/api/v1/events/1/1", timeout=20)
    for rule in alerts():
        asked = re.findall(r"\b(?:eventindex|node|alertmanager|prometheus)_\w+", rule["expr"])
        for metric in set(asked) - counted_at_first:
            wait_until(lambda m=metric: numbers(stack.prometheus, f"count({m})"), what=metric)

    def evaluated() -> list[dict[str, Any]]:
        rules = stack.prometheus.rules()
        return rules if all(rule["health"] == "ok" for rule in rules) else []

    rules = wait_until(evaluated, what="evaluation of every rule")
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in alerts()} | {QUICK}
    machine = {"EventIndexDiskFills"}  # of whoever runs the tests
    assert [r["name"] for r in rules if r["state"] == "firing" and r["name"] not in machine] == []


@pytest.mark.slow
@needs_prometheus
def test_the_first_dead_letter_is_told_to_the_receiver(stack: Stack) -> None:
    """A malformed message is a line in the operators' chat, with the runbook that belongs to it."""
    topic = ("-t", "eventindex/v1/json/x")
    subprocess.run(
        ["mosquitto_pub", "-p", str(stack.broker.port), "-q", "1", *topic, "-m", "{"],
        check=True,
    )
    (told,) = stack.receiver.told.get(timeout=60)["attachments"]
    assert told["title"] == "[FIRING] EventIndexDeadLetters"
    assert "Messages became dead letters: malformed" in told["text"]
    assert "docs/runbooks.md#eventindexdeadletters" in told["text"]


SLOW_COMMITS = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON run FOR EACH ROW EXECUTE FUNCTION slow()
"""


def behind(stack: Stack) -> bool:
    """Whether the alert of the backlog fires that has seconds for its minutes."""
    return any(r["name"] == QUICK and r["state"] == "firing" for r in stack.prometheus.rules())


def batches(seconds: float) -> Iterator[EventColumns]:
    """What a bulk load sends for so long."""
    file, ends = RawFile(FUID, 4), time.monotonic() + seconds
    for first in count(step=50_000):
        if time.monotonic() > ends:
            return
        yield EventColumns([file], 9_000, np.arange(first, first + 50_000), np.ones(50_000, int))


@pytest.mark.slow
@needs_prometheus
def test_a_bulk_load_is_no_backlog(stack: Stack) -> None:
    """Nobody is told of a writer that a healthy load keeps busy all the time."""
    most = 0.0
    with eventindex.connect(ingest_address=stack.ingest.address) as client:
        for _ in client.ingest(batches(seconds=30)):
            assert not behind(stack)
            busy = numbers(stack.prometheus, "rate(eventindex_ingest_busy_seconds_total[10s])")
            most = max([most, *busy])
    assert most > 0.5
    assert not behind(stack)


@pytest.mark.slow
@needs_prometheus
def test_a_writer_that_is_too_slow_is_told(stack: Stack) -> None:
    """More is published than a slow database stores: the alert fires, and ends with the backlog."""
    execute(stack.database_url, SLOW_COMMITS)
    publisher = Publisher(stack.broker.port)
    runs = count(10_000)

    def fires() -> bool:
        publisher.publish("eventindex/v1/json/x", *(json_event(next(runs), 1) for _ in range(50)))
        time.sleep(0.2)
        return behind(stack)

    try:
        wait_until(fires, 120, what="alert of the backlog")
    finally:
        execute(stack.database_url, "DROP TRIGGER slow ON run")
        publisher.close()
    wait_until(lambda: not behind(stack), 120, what="end of the backlog")
