"""`python -m benchmarks`: measure the project and its peers, print ratios, draw plots."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from benchmarks import plots, report
from benchmarks.context import SMALL, Bench, Sizes
from benchmarks.machine import describe
from benchmarks.measure import (
    bridge,
    cache,
    cold,
    cold_pages,
    collections,
    disk,
    export,
    growth,
    live,
    load_file,
    lookups,
    rest,
    selections,
    singles,
    small_batches,
    store,
    stream_files,
    streams,
)
from benchmarks.results import Figure, Report, WrongAnswerError

# Those that write to an index come after those that measure it.
MEASUREMENTS: dict[str, Callable[[Bench], Iterable[Figure]]] = {
    "store": store.measure,
    "lookups": lookups.measure,
    "selections": selections.measure,
    "disk": disk.measure,
    "singles": singles.measure,
    "streams": streams.measure,
    "small_batches": small_batches.measure,
    "stream_files": stream_files.measure,
    "rest": rest.measure,
    "cold": cold.measure,
    "cold_pages": cold_pages.measure,
    "export": export.measure,
    "cache": cache.measure,
    "collections": collections.measure,
    "load_file": load_file.measure,
    "bridge": bridge.measure,
    "live": live.measure,
    "growth": growth.measure,
}
# Tables have a column for each system.
_WIDTH_IN_A_FILE = 160
RESULTS = Path(__file__).parent / "results"


def _names(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    for name in names:
        if name not in MEASUREMENTS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(MEASUREMENTS)}")
    return [name for name in MEASUREMENTS if name in names]


@click.command()
@click.option(
    "--only",
    default=",".join(MEASUREMENTS),
    callback=_names,
    metavar="NAME,...",
    help=f"Measure only some of {', '.join(MEASUREMENTS)}.",
)
@click.option("--small", is_flag=True, help="Little of everything, in a minute: for the answers.")
@click.option("--runs", type=click.IntRange(1), help="Runs of workload W, 450,000 events each.")
@click.option("--peer-runs", type=click.IntRange(1), help="Runs that slow peers hold too.")
@click.option("--repeats", type=click.IntRange(1), help="Medians of so many measurements.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the results (default: one named by the time in benchmarks/results).",
)
def main(only: list[str], small: bool, output: Path | None, **sizes: int | None) -> None:
    """Measure EventIndex beside its peers in the same run; a wrong answer ends it with code 1."""
    machine, console = describe(), Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_IN_A_FILE)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    bench = Bench(_sizes(small, sizes), console)
    figures: list[Figure] = []
    try:
        for name in only:
            began = time.perf_counter()
            measured = list(MEASUREMENTS[name](bench))
            figures += measured
            report.show(console, measured)
            console.print(f"{name} took {time.perf_counter() - began:.0f} s", style="dim")
    except WrongAnswerError as error:
        console.print(f"wrong answer: {error}", style="bold red")
        sys.exit(1)
    finally:
        bench.close()
    directory = output or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    write(directory, machine, figures)
    console.print(f"tables, samples and plots: {directory}")


def _sizes(small: bool, given: dict[str, int | None]) -> Sizes:
    base = SMALL if small else Sizes()
    changed = {name: value for name, value in given.items() if value is not None}
    return replace(base, **changed)  # type: ignore[arg-type]  # the options have the types


def write(directory: Path, machine: dict[str, str], figures: list[Figure]) -> None:
    """Write results.json, figures.csv, results.md and a plot for each measurement."""
    directory.mkdir(parents=True, exist_ok=True)
    Report(machine, figures).write(directory)
    (directory / "results.md").write_text(report.markdown(machine, figures))
    plots.draw(directory, figures)


if __name__ == "__main__":
    main()
