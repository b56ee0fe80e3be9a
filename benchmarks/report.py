"""Prints figures as tables of ratios: for a terminal, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.results import OURS, Figure, ratio


@dataclass(frozen=True)
class Grid:
    """A table as text: the cases of one measurement on the same data."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def grids(figures: Sequence[Figure]) -> list[Grid]:
    """Return a table for each measurement and data set; curves have one line a place."""
    keys = dict.fromkeys((f.measurement, "" if f.x is not None else f.data) for f in figures)
    return [
        _curve(name, [f for f in figures if f.measurement == name and f.x is not None])
        if not data
        else _comparison(
            f"{name}: {data}", [f for f in figures if (f.measurement, f.data) == (name, data)]
        )
        for name, data in keys
    ]


def _comparison(title: str, figures: Sequence[Figure]) -> Grid:
    """Return the systems side by side; in brackets how many times better the project is."""
    systems = dict.fromkeys(figure.system for figure in figures)
    rows = []
    for case, unit in dict.fromkeys((figure.case, figure.unit) for figure in figures):
        found = {f.system: f for f in figures if (f.case, f.unit) == (case, unit)}
        rows.append([f"{case}, {unit}", *(_cell(found, system) for system in systems)])
    return Grid(title, ["", *systems], rows)


def _cell(found: dict[str, Figure], system: str) -> str:
    if system not in found:
        return "-"
    text = number(found[system].value)
    if system == OURS or OURS not in found:
        return text
    return f"{text} ({number(ratio(found[OURS], found[system]))}x)"


def _curve(title: str, figures: Sequence[Figure]) -> Grid:
    """Return a line for each place on the axis, a column for each curve."""
    places = dict.fromkeys(figure.x for figure in figures)
    columns = dict.fromkeys(curve(figure) for figure in figures)
    values = {(figure.x, curve(figure)): figure.value for figure in figures}
    rows = [
        [
            f"{place:,.0f}",
            *(number(values.get((place, column), math.nan)) for column in columns),
        ]
        for place in places
    ]
    return Grid(title, [figures[0].x_name, *columns], rows)


def curve(figure: Figure) -> str:
    """Return the curve that a figure is a point of."""
    return f"{figure.case}, {figure.unit}"


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if math.isnan(value):
        return "-"
    for unit, name in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= max(unit, 1e4):
            return f"{value / unit:.3g}{name}"
    if abs(value) >= 1e3:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def show(console: Console, figures: Sequence[Figure]) -> None:
    """Print the tables."""
    for grid in grids(figures):
        table = Table(title=grid.title, title_justify="left")
        for place, name in enumerate(grid.header):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in grid.rows:
            table.add_row(*row)
        console.print(table)


def markdown(machine: dict[str, str], figures: Sequence[Figure]) -> str:
    """Return the tables as a page."""
    lines = ["# Measured", "", *(f"* {name}: {value}" for name, value in machine.items()), ""]
    lines += [
        "In brackets: how many times better EventIndex is, on the same data in the same run.",
        "",
    ]
    for grid in grids(figures):
        lines += [f"## {grid.title}", "", *_markdown_rows(grid), ""]
    return "\n".join(lines)


def _markdown_rows(grid: Grid) -> Iterable[str]:
    yield f"| {' | '.join(grid.header)} |"
    yield f"|---|{'---:|' * (len(grid.header) - 1)}"
    for row in grid.rows:
        yield f"| {' | '.join(row)} |"
