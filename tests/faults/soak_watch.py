"""Prometheus beside a soak, with the rules of deploy/: which alerts fired, when, and pictures."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.monitoring import (
    DEPLOY,
    Prometheus,
    Receiver,
    alertmanager_config,
    running,
)
from tests.support.ports import free_port
from tests.support.processes import Service, server_directory, wait_until

DRAW = DEPLOY / "grafana/source/draw.py"
# Of the history that is asked for in the end: of the scrapes, unless those were too many.
_STEP_S = 5.0
_STEPS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fired; times as of time.time(), `ended` is None while it fires."""

    name: str
    job: str
    fired: float
    ended: float | None


@dataclass(slots=True)
class Happened:
    """A fault that was done, and its alert; times as of time.time(), `minute` of the soak."""

    minute: float
    fault: str
    alert: str
    job: str
    began: float
    ended: float = 0.0
    fired: float | None = None
    quiet: float | None = None


COLUMNS = ("minute", "fault", "alert", "job", "began", "ended", "fired", "quiet")
# Within this time after a fault its alert has to fire, else it is the alert of another one.
LATE_S = 60.0


class Watch:
    """Prometheus, Alertmanager and node_exporter beside the services."""

    def __init__(self, end: ExitStack, services: Iterable[Service]) -> None:
        folder = server_directory("watch")
        self.began = time.time()
        self._receiver = Receiver()
        end.callback(self._receiver.close)
        node, manager = free_port(), free_port()
        listen = f"--web.listen-address=127.0.0.1:{node}"
        end.enter_context(running(folder, "prometheus-node-exporter", node, listen))
        config = alertmanager_config(folder, self._receiver.address)
        end.enter_context(
            running(
                folder, "prometheus-alertmanager", manager,
                *(f"--config.file={config}", f"--storage.path={folder}"),
                *(f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address="),
            )
        )  # fmt: skip
        targets = {service.module: service.metrics_port for service in services}
        targets["node_exporter"] = node
        self._prometheus = Prometheus(folder, targets, manager, often=False)
        port = self._prometheus.port
        end.enter_context(running(folder, "prometheus", port, *self._prometheus.command[1:]))
        wait_until(self._prometheus.ready, what="Prometheus")

    def fires(self, alert: str, labels: dict[str, str]) -> bool:
        """Whether an alert fires now, with these labels among its own."""
        chosen = {"alertname": alert, "alertstate": "firing", **labels}
        selector = ", ".join(f'{name}="{value}"' for name, value in chosen.items())
        return bool(self._prometheus.query(f"ALERTS{{{selector}}}"))

    def told(self) -> tuple[int, int]:
        """How many lines the operators' chat has of alerts that fire, and of such that ended."""
        with self._receiver.told.mutex:
            lines = [line["attachments"][0]["title"] for line in self._receiver.told.queue]
        fire = sum(line.startswith("[FIRING") for line in lines)
        return fire, len(lines) - fire

    def alerts(self) -> list[Alert]:
        """Every alert that fired since the start, by its name and job."""
        now = time.time()
        step = max(_STEP_S, (now - self.began) / _STEPS_MAX)
        lines = self._prometheus.query_range(
            'max by (alertname, job) (ALERTS{alertstate="firing"})', self.began, now, step
        )
        found = []
        for line in lines:
            times = [float(at) for at, _ in line["values"]]
            for first, last in _unbroken(times, 1.5 * step):
                ended = None if now - last < 2 * step else last + step
                labels = line["metric"]
                found.append(Alert(labels["alertname"], labels.get("job", ""), first, ended))
        return sorted(found, key=lambda alert: alert.fired)

    def draw(self, folder: Path, happened: Path) -> None:
        """Draw every dashboard and the alerts beside the faults."""
        minutes = (time.time() - self.began) / 60
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, DRAW, self._prometheus.address, f"{minutes:.1f}", folder, happened],
            check=True,
        )


def _unbroken(times: list[float], gap_s: float) -> Iterator[tuple[float, float]]:
    """First and last of each stretch of samples."""
    first = 0
    for place, at in enumerate(times):
        if place + 1 == len(times) or times[place + 1] - at > gap_s:
            yield times[first], at
            first = place + 1


def complete(happened: Iterable[Happened], alerts: list[Alert]) -> None:
    """Set when the alert of each fault fired and ended.

    One that still fired when its fault was done again covers both.
    """
    for one in happened:
        over = (
            alert
            for alert in alerts
            if alert.name == one.alert
            and one.job in {"", alert.job}
            and alert.fired < one.ended + LATE_S
            and (alert.ended is None or alert.ended > one.began)
        )
        first = next(over, None)
        if first is not None:
            one.fired, one.quiet = first.fired, first.ended


def write(path: Path, happened: Iterable[Happened]) -> None:
    """Write what was done and told as CSV, in seconds since 1970."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for one in happened:
            values = (getattr(one, name) for name in COLUMNS)
            rows.writerow(round(v, 1) if isinstance(v, float) else v for v in values)


def missing(happened: Iterable[Happened]) -> list[str]:
    """What no operator would have heard, or would still hear of."""
    return [
        f"{one.fault}: {one.alert} {'did not fire' if one.fired is None else 'has not ended'}"
        for one in happened
        if one.fired is None or one.quiet is None
    ]
