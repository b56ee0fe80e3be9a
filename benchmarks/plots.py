"""Draws figures: bars of systems beside each other, or curves, a file for each measurement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.report import curve, number
from benchmarks.results import OURS, Figure

mpl.use("Agg")
from matplotlib import pyplot as plt  # after the backend was chosen

_COLOURS = ("#0b6e99", "#b9b4ab", "#8f8a80", "#d2c7a6", "#a6b8a8", "#c5a9a0", "#9aa0b5", "#555555")
_WIDTH_INCHES = 9


def draw(directory: Path, figures: Sequence[Figure]) -> list[Path]:
    """Write a PNG for each measurement; the paths."""
    return [
        _draw_one(directory / f"{name}.png", name, [f for f in figures if f.measurement == name])
        for name in dict.fromkeys(figure.measurement for figure in figures)
    ]


def _draw_one(path: Path, name: str, figures: Sequence[Figure]) -> Path:
    curves = any(figure.x is not None for figure in figures)
    panels = dict.fromkeys((f.unit, "" if curves else f.data) for f in figures)
    groups = [
        [f for f in figures if (f.unit, "" if curves else f.data) == panel] for panel in panels
    ]
    heights = [
        2.5 if curves else 0.6 + 0.16 * (len(group) + len(_cases(group))) for group in groups
    ]
    figure, axes = plt.subplots(
        len(groups),
        1,
        squeeze=False,
        figsize=(_WIDTH_INCHES, sum(heights) + 0.8 * len(groups)),
        height_ratios=heights,
        layout="constrained",
    )
    figure.suptitle(name)
    for (unit, data), group, axis in zip(panels, groups, axes[:, 0], strict=True):
        (_curves if curves else _bars)(axis, group)
        axis.set_title(data, loc="left", fontsize=9)
        (axis.set_ylabel if curves else axis.set_xlabel)(unit)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _cases(figures: Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(figure.case for figure in figures))


def _bars(axis: plt.Axes, figures: Sequence[Figure]) -> None:
    """Draw a group of bars for each case, on a logarithmic axis."""
    systems = list(dict.fromkeys(figure.system for figure in figures))
    systems.sort(key=lambda system: system != OURS)
    place, ticks = 0.0, []
    for case in _cases(figures):
        bars = [f for system in systems for f in figures if (f.case, f.system) == (case, system)]
        for bar in bars:
            colour = _COLOURS[systems.index(bar.system) % len(_COLOURS)]
            axis.barh(place, bar.value, color=colour, label=bar.system)
            axis.text(bar.value, place, f" {number(bar.value)}", va="center", fontsize=6)
            place += 1
        ticks.append(place - len(bars) / 2 - 0.5)
        place += 1
    axis.set_yticks(ticks, _cases(figures), fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.margins(x=0.15, y=0.02)
    if len(systems) > 1:
        handles, labels = axis.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axis.legend(
            unique.values(), unique, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0)
        )


def _curves(axis: plt.Axes, figures: Sequence[Figure]) -> None:
    """Draw a line for each case over a logarithmic axis, from 0 up."""
    for name in dict.fromkeys(map(curve, figures)):
        points = [figure for figure in figures if curve(figure) == name]
        x = np.array([point.x for point in points])
        axis.plot(x, [point.value for point in points], marker="o", label=name)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel(figures[0].x_name)
    axis.legend(fontsize=7)
