"""Draw the dashboards from Prometheus' data, without Grafana: for the documentation.

`python deploy/grafana/source/draw.py http://127.0.0.1:9090 MINUTES FOLDER [FAULTS.csv]`, with
matplotlib. Red is where an alert fires, as Grafana's annotations have it. `alerts.png` has a line
for each; grey is what the columns `fault`, `began`, `ended` of a CSV file name, in Unix time.
"""

from __future__ import annotations

import csv
import json
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib import dates
from matplotlib import pyplot as plt

mpl.use("Agg")
DASHBOARDS = Path(__file__).parents[1] / "dashboards"
STEPS = 240
COLUMN_INCHES, ROW_INCHES = 0.62, 0.45  # of Grafana's grid of 24 columns
LEGENDS_MAX = 6
DAY_S = 86_400  # matplotlib counts days
ALERTS_S = 5.0  # how exactly it is asked when they fire
RATE_MIN_S = 20  # four scrapes, as Grafana's $__rate_interval
SCALES = {"percentunit": 100.0, "bytes": 1 / 2**20}
# Begin and end, in days.
Stretch = tuple[float, float]
UNITS = {"percentunit": "%", "bytes": "MiB", "cps": "1/s", "reqps": "1/s", "short": "", "none": ""}


class Window(NamedTuple):
    """What is drawn: the data of a Prometheus between two Unix times."""

    address: str
    begin: float
    end: float


def ask(window: Window, expression: str, step: float) -> list[dict[str, Any]]:
    """Return the lines of a query."""
    asked = {"query": expression, "start": window.begin, "end": window.end, "step": step}
    query = urllib.parse.urlencode(asked)
    url = f"{window.address}/api/v1/query_range?{query}"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # the caller's own Prometheus
        lines: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return lines


def series(window: Window, target: dict[str, Any]) -> Iterator[tuple[str, list[Any], list[float]]]:
    """Yield the lines of a query: legend, times, values."""
    step = max((window.end - window.begin) / STEPS, 5)
    interval = f"{max(RATE_MIN_S, 2 * step):.0f}s"
    expression = target["expr"].replace("$__rate_interval", interval).replace("$instance", ".*")
    for line in ask(window, expression, step):
        legend = target["legendFormat"]
        for name, value in line["metric"].items():
            legend = legend.replace(f"{{{{{name}}}}}", value)
        times = [at / DAY_S for at, _ in line["values"]]
        yield legend, times, [float(value) for _, value in line["values"]]


def firing(window: Window) -> dict[str, list[Stretch]]:
    """Return when each alert fired: its name, and begin and end of each time."""
    found: dict[str, list[Stretch]] = {}
    expression = 'max by (alertname, job) (ALERTS{alertstate="firing"})'
    for line in ask(window, expression, ALERTS_S):
        labels = line["metric"]
        times = [float(at) for at, _ in line["values"]]
        breaks = [n for n in range(1, len(times)) if times[n] - times[n - 1] > 1.5 * ALERTS_S]
        name = " ".join(filter(None, (labels["alertname"], labels.get("job"))))
        found[name] = [
            (times[a] / DAY_S, (times[b - 1] + ALERTS_S) / DAY_S)
            for a, b in pairwise([0, *breaks, len(times)])
        ]
    return dict(sorted(found.items(), key=lambda item: item[1]))


def draw_alerts(alerts: dict[str, list[Stretch]], faults: Path | None, folder: Path) -> None:
    """Draw a line for each alert, over what was done."""
    figure, axes = plt.subplots(figsize=(15, 1.5 + 0.3 * len(alerts)))
    for row, stretches in enumerate(alerts.values()):
        axes.broken_barh([(a, b - a) for a, b in stretches], (row - 0.3, 0.6), color="tab:red")
    axes.set_yticks(range(len(alerts)), list(alerts), fontsize=7)
    for done in csv.DictReader(faults.open(newline="")) if faults else ():
        began, ended = (float(done[name]) / DAY_S for name in ("began", "ended"))
        axes.axvspan(began, ended, color="grey", alpha=0.3)
        axes.text(began, -0.8, done["fault"], fontsize=6, rotation=25, va="bottom")
    axes.set_ylim(len(alerts) - 0.5, -0.9)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", alpha=0.2)
    figure.savefig(folder / "alerts.png", dpi=80, bbox_inches="tight")
    plt.close(figure)


def draw(window: Window, file: Path, folder: Path, alerts: dict[str, list[Stretch]]) -> None:
    """Draw a dashboard as one picture, its panels where Grafana has them."""
    board = json.loads(file.read_text("utf-8"))
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    figure = plt.figure(figsize=(24 * COLUMN_INCHES, rows * ROW_INCHES))
    grid = figure.add_gridspec(rows, 24, hspace=10, wspace=9)
    top = figure.subplotpars.top + 0.4 / (rows * ROW_INCHES)
    figure.suptitle(board["title"], y=top, va="bottom")
    for panel in board["panels"]:
        place = panel["gridPos"]
        down, across = (slice(place[a], place[a] + place[b]) for a, b in ("yh", "xw"))
        axes = figure.add_subplot(grid[down, across])
        lines = [line for target in panel["targets"] for line in series(window, target)]
        (write_numbers if panel["type"] == "stat" else draw_lines)(axes, panel, lines)
        if panel["type"] != "stat":
            axes.set_xlim(window.begin / DAY_S, window.end / DAY_S)
            for stretch in chain.from_iterable(alerts.values()):
                axes.axvspan(*stretch, color="tab:red", alpha=0.05, linewidth=0)
    figure.savefig(folder / f"{file.stem}.png", dpi=70, bbox_inches="tight")
    plt.close(figure)


def title(axes: Any, panel: dict[str, Any]) -> float:
    """Write the title with its unit; returns what values are to be multiplied with."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    shown = UNITS.get(unit, unit)
    axes.set_title(f"{panel['title']}{f' [{shown}]' if shown else ''}", fontsize=8, loc="left")
    return SCALES.get(unit, 1.0)


def write_numbers(axes: Any, panel: dict[str, Any], lines: list[Any]) -> None:
    """Write the latest number of each line."""
    scale = title(axes, panel)
    axes.axis("off")
    # Bytes are shown as they are where there are few.
    few = scale < 1 and all(values[-1] * scale < 0.01 for _, _, values in lines)
    texts = [
        f"{legend}  {values[-1]:,.1f} bytes" if few else f"{legend}  {values[-1] * scale:,.4g}"
        for legend, _, values in lines
    ]
    axes.text(0, 0.5, "\n".join(texts), fontsize=8, va="center", transform=axes.transAxes)


def draw_lines(axes: Any, panel: dict[str, Any], lines: list[Any]) -> None:
    """Draw lines over time, which add up where the panel says so."""
    scale = title(axes, panel)
    for legend, times, values in lines:
        # Of many that are 0 the name says nothing.
        named = len(lines) <= LEGENDS_MAX or any(values)
        shown = legend if named else f"_{legend}"
        axes.plot(times, [value * scale for value in values], label=shown, linewidth=0.9)
    axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=7))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=5, loc="upper left")


if __name__ == "__main__":
    now, target_folder = time.time(), Path(sys.argv[3])
    asked_for = Window(sys.argv[1], now - 60 * float(sys.argv[2]), now)
    fired = firing(asked_for)
    draw_alerts(fired, Path(sys.argv[4]) if len(sys.argv) > 4 else None, target_folder)
    for dashboard in sorted(DASHBOARDS.glob("*.json")):
        draw(asked_for, dashboard, target_folder, fired)
