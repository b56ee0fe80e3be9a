"""`eventindex generate`: pseudo-data as a file."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
import numpy as np

from eventindex.cli.common import note
from eventindex.cli.progress import ProgressReport
from eventindex.cli.strict import FIELDS
from eventindex.columns import DSID_MAX, EventColumns
from eventindex.generate import Plan, generate


def _probabilities(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    """Return the numbers of a list with commas."""
    try:
        return tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers") from None


_COUNT = click.IntRange(min=1)
_NUMBER = click.IntRange(0, 2**62)


@click.command("generate")
@click.option("-o", "--output", required=True, metavar="FILE", help="File to write; - is stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    help="Default: by the file's name, csv where it does not tell.",
)
@click.option("--runs", type=_COUNT, default=10, show_default=True, help="Number of runs.")
@click.option("--run-first", type=_NUMBER, default=1, show_default=True, help="First run.")
@click.option(
    "--events", type=_COUNT, default=1000, show_default=True, help="Event numbers of a run."
)
@click.option("--event-first", type=_NUMBER, default=1, show_default=True, help="First event.")
@click.option(
    "--gaps",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Chance that an event number is left out.",
)
@click.option(
    "--streams", type=_COUNT, default=2, show_default=True, help="RAW files open at a time."
)
@click.option(
    "--events-per-file", type=_COUNT, default=5000, show_default=True, help="Events of a RAW file."
)
@click.option(
    "--triggers",
    metavar="P,P,...",
    callback=_probabilities,
    default="0.3,0.2,0.1,0.05",
    show_default=True,
    help="Chance of each bit of olt_result, lowest first.",
)
@click.option(
    "--dsid", type=click.IntRange(0, DSID_MAX), default=1, show_default=True, help="Dataset."
)
@click.option("--seed", type=_NUMBER, default=1, show_default=True, help="The same gives the same.")
def generate_command(
    *,
    output: str,
    form: str | None,
    runs: int,
    run_first: int,
    events: int,
    event_first: int,
    gaps: float,
    streams: int,
    events_per_file: int,
    triggers: tuple[float, ...],
    dsid: int,
    seed: int,
) -> None:
    """Write pseudo-data to a file.

    Runs with gaps, several RAW files open at a time, random triggers; the same seed gives the
    same file.
    """
    try:
        plan = Plan(
            runs,
            run_first,
            events,
            event_first,
            gaps,
            streams,
            events_per_file,
            triggers,
            dsid,
            seed,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    json_lines = (form or _form_of(output)) == "jsonl"
    started = time.monotonic()
    with _open_output(output) as out, ProgressReport("generating", runs * events) as progress:
        count = write_events(out, generate(plan), json_lines, progress)
    note(f"{count:,} events in {time.monotonic() - started:.1f} s")


def write_events(
    out: TextIO, blocks: Iterator[EventColumns], json_lines: bool, progress: ProgressReport
) -> int:
    """Write events in the field order of the contract and return how many."""
    if not json_lines:
        csv.writer(out, lineterminator="\n").writerow(FIELDS)
    count = 0
    for block in blocks:
        out.write("".join(_json_texts(block) if json_lines else _csv_texts(block)))
        count += len(block)
        progress.at(count, f"{count:,} events")
    return count


def _csv_texts(block: EventColumns) -> Iterator[str]:
    files = [f"{file.dsid_raw},{file.fuid_raw}" for file in block.files]
    for run, event, index, olt in _rows(block):
        yield f"{run},{event},{olt},{files[index - 1]}\n"


def _json_texts(block: EventColumns) -> Iterator[str]:
    files = [f'"dsid_raw": {file.dsid_raw}, "fuid_raw": "{file.fuid_raw}"' for file in block.files]
    for run, event, index, olt in _rows(block):
        yield (
            f'{{"run_number": {run}, "event_number": {event}, "olt_result": {olt}, '
            f"{files[index - 1]}}}\n"
        )


def _rows(block: EventColumns) -> Iterator[tuple[int, int, int, int]]:
    return zip(
        np.asarray(block.run_numbers).tolist(),
        np.asarray(block.event_numbers).tolist(),
        np.asarray(block.file_indexes).tolist(),
        np.asarray(block.olt_results).tolist(),
        strict=True,
    )


def _form_of(output: str) -> str:
    return "jsonl" if Path(output).suffix.lower() in {".jsonl", ".ndjson", ".json"} else "csv"


@contextmanager
def _open_output(output: str) -> Iterator[TextIO]:
    if output == "-":
        yield sys.stdout
        return
    with Path(output).open("w", encoding="utf-8", newline="") as out:
        yield out
