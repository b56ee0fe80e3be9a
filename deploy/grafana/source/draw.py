"""Draw the dashboards from Prometheus' data, without Grafana: for the documentation.

`python deploy/grafana/source/draw.py http://127.0.0.1:9090 MINUTES FOLDER`, with matplotlib.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import dates
from matplotlib import pyplot as plt

mpl.use("Agg")
DASHBOARDS = Path(__file__).parents[1] / "dashboards"
STEPS = 240
COLUMN_INCHES, ROW_INCHES = 0.62, 0.42  # of Grafana's grid of 24 columns
DAY_S = 86_400  # matplotlib counts days
RATE_MIN_S = 20  # four scrapes, as Grafana's $__rate_interval
SCALES = {"percentunit": 100.0, "bytes": 1 / 2**20}
UNITS = {"percentunit": "%", "bytes": "MiB", "cps": "1/s", "reqps": "1/s", "short": "", "none": ""}


def series(
    address: str, target: dict[str, Any], minutes: float
) -> Iterator[tuple[str, list[Any], list[float]]]:
    """Yield the lines of a query: legend, times, values."""
    end = time.time()
    step = max(minutes * 60 / STEPS, 5)
    interval = f"{max(RATE_MIN_S, 2 * step):.0f}s"
    expression = target["expr"].replace("$__rate_interval", interval).replace("$instance", ".*")
    asked = {"query": expression, "start": end - minutes * 60, "end": end, "step": step}
    query = urllib.parse.urlencode(asked)
    with urllib.request.urlopen(f"{address}/api/v1/query_range?{query}", timeout=60) as answer:  # noqa: S310  # the caller's own Prometheus
        found = json.load(answer)["data"]["result"]
    for line in found:
        legend = target["legendFormat"]
        for name, value in line["metric"].items():
            legend = legend.replace(f"{{{{{name}}}}}", value)
        times = [at / DAY_S for at, _ in line["values"]]
        yield legend, times, [float(value) for _, value in line["values"]]


def draw(address: str, file: Path, minutes: float, folder: Path) -> None:
    """Draw a dashboard as one picture, its panels where Grafana has them."""
    board = json.loads(file.read_text("utf-8"))
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
    figure = plt.figure(figsize=(24 * COLUMN_INCHES, rows * ROW_INCHES + 0.5))
    grid = figure.add_gridspec(rows, 24, hspace=6, wspace=9)
    figure.suptitle(board["title"])
    for panel in board["panels"]:
        place = panel["gridPos"]
        down, across = (slice(place[a], place[a] + place[b]) for a, b in ("yh", "xw"))
        axes = figure.add_subplot(grid[down, across])
        lines = [line for target in panel["targets"] for line in series(address, target, minutes)]
        (write_numbers if panel["type"] == "stat" else draw_lines)(axes, panel, lines)
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
    texts = [f"{legend}  {values[-1] * scale:,.4g}" for legend, _, values in lines]
    axes.text(0, 0.5, "\n".join(texts), fontsize=8, va="center", transform=axes.transAxes)


def draw_lines(axes: Any, panel: dict[str, Any], lines: list[Any]) -> None:
    """Draw lines over time, which add up where the panel says so."""
    scale = title(axes, panel)
    for legend, times, values in lines:
        axes.plot(times, [value * scale for value in values], label=legend, linewidth=0.9)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.2)
    axes.legend(fontsize=5, loc="upper left")


if __name__ == "__main__":
    where, last_minutes, target_folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    for dashboard in sorted(DASHBOARDS.glob("*.json")):
        draw(where, dashboard, last_minutes, target_folder)
