"""Prometheus, Alertmanager and node_exporter of Debian, set up as deploy/ has them."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import yaml

from tests.support.ports import free_port
from tests.support.processes import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")


def missing_programs() -> list[str]:
    """Packages of Debian that these tests want and this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Prometheus:
    """A Prometheus with the rules and jobs of deploy/, whose targets are on this machine."""

    def __init__(
        self,
        folder: Path,
        targets: dict[str, int],
        alertmanager: int,
        *,
        quick: str = "",
        often: bool = True,
    ) -> None:
        """`quick` names a rule that is there a second time, with seconds for its minutes.

        It looks every second if `often`, else as often as deploy/ has it.
        """
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._config = folder / "prometheus.yml"
        shutil.copy(DEPLOY / "prometheus/alerts.yml", folder)
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
        if quick:
            (folder / "quick.yml").write_text(yaml.safe_dump(quick_rule(quick)), "utf-8")
            config["rule_files"].append("quick.yml")
        if often:
            config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        targets = {**targets, "alertmanager": alertmanager, "prometheus": self.port}
        config["scrape_configs"] = [
            {
                "job_name": job["job_name"],
                "static_configs": [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}],
            }
            for job in config["scrape_configs"]
        ]
        managers = config["alerting"]["alertmanagers"]
        managers[0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
        self._config.write_text(yaml.safe_dump(config), "utf-8")
        self.command = [
            "prometheus",
            f"--config.file={self._config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def ready(self) -> bool:
        """Whether it answers queries: it listens before it does."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{self.address}/-/ready", timeout=5).close()
            return True
        return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.address}/api/v1/query?{asked}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def query_range(
        self, expression: str, begin: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        """The lines of a query over time."""
        asked = urllib.parse.urlencode(
            {"query": expression, "start": begin, "end": end, "step": step_s}
        )
        url = f"{self.address}/api/v1/query_range?{asked}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]["result"]

    def rules(self) -> list[dict[str, Any]]:
        """The rules as they were last evaluated."""
        with urllib.request.urlopen(f"{self.address}/api/v1/rules", timeout=10) as answer:
            return [
                rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]
            ]


def quick_rule(name: str) -> dict[str, Any]:
    """A rule of deploy/ that looks back some seconds where that looks back minutes."""
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    (rule,) = (rule for group in groups for rule in group["rules"] if rule["alert"] == name)
    expression = rule["expr"].replace("[5m]", "[10s]").replace("offset 5m", "offset 10s")
    assert expression != rule["expr"]
    quick = {**rule, "alert": f"{name}Quick", "expr": expression, "for": "5s"}
    return {"groups": [{"name": "quick", "rules": [quick]}]}


class Receiver:
    """The webhook of a chat: what it was told."""

    def __init__(self) -> None:
        self.told: Queue[dict[str, Any]] = Queue()
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def alertmanager_config(folder: Path, receiver: str) -> Path:
    """deploy/'s own, which tells at once and finds the receiver's address in another file."""
    secret = folder / "alert_webhook_url"
    secret.write_text(receiver, "utf-8")
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text("utf-8")
    file = folder / "alertmanager.yml"
    text = text.replace("group_wait: 30s", "group_wait: 1s")
    file.write_text(text.replace("/run/secrets/alert_webhook_url", str(secret)), "utf-8")
    return file


@contextlib.contextmanager
def running(folder: Path, name: str, port: int, *arguments: str) -> Iterator[None]:
    """A server of Debian that answers on a port of this machine."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen([name, *arguments], stdout=log, stderr=log, cwd=folder)
    try:
        wait_until(lambda: answers(port), what=f"{name}, see {folder}/{name}.log")
        yield
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    """Whether a page of metrics is there."""
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).close()
        return True
    return False


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the name of its dashboard."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            yield file.stem, panel
