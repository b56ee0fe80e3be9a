"""`eventindex runs`: the runs of the index."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from itertools import islice

import click

from eventindex.cli.common import connection_options
from eventindex.client import Client
from eventindex.results import Run

_FIRST_WIDTHS_ROWS = 1000


@click.command()
@click.option("--run-first", type=click.IntRange(0), help="From this run on.")
@click.option("--run-last", type=click.IntRange(0), help="Up to this run.")
@click.option("--detector", help="Runs of one telescope.")
@click.option(
    "--order-by",
    type=click.Choice(
        [
            f"{name}{turn}"
            for name in ("run_number", "events", "last_seen")
            for turn in ("", " desc")
        ]
    ),
    default="run_number",
    show_default=True,
    metavar="FIELD[ desc]",
    help="run_number, events or last_seen.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many runs.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
@connection_options
def runs(
    *,
    connect: Callable[[], Client],
    run_first: int | None,
    run_last: int | None,
    detector: str | None,
    order_by: str,
    limit: int | None,
    form: str,
) -> None:
    """List the runs of the index."""
    write = {"table": _write_table, "csv": _write_csv, "json": _write_json}[form]
    with connect() as client:
        found = client.runs(
            run_first=run_first, run_last=run_last, detector_id=detector, order_by=order_by
        )
        write(islice(found, limit))


def _write_table(found: Iterable[Run]) -> None:
    rows = iter(found)
    first = [_cells(run) for run in islice(rows, _FIRST_WIDTHS_ROWS)]
    titles = ("run", "events", "first", "last", "files", "conflicts", "last seen", "detector")
    widths = [max(map(len, column)) for column in zip(titles, *first, strict=True)]
    form = "  ".join([*(f"%{width}s" for width in widths[:6]), *(f"%-{w}s" for w in widths[6:])])
    for row in (titles, *first):
        click.echo((form % row).rstrip())
    for run in rows:
        click.echo((form % _cells(run)).rstrip())


def _cells(run: Run) -> tuple[str, ...]:
    return (
        str(run.run_number),
        f"{run.events:,}",
        str(run.event_first),
        str(run.event_last),
        f"{run.files:,}",
        f"{run.conflicts:,}",
        f"{run.last_seen:%Y-%m-%d %H:%M}",
        run.detector_id,
    )


def _values(run: Run) -> dict[str, object]:
    seen = {name: getattr(run, name).isoformat() for name in ("first_seen", "last_seen")}
    return run._asdict() | seen


def _write_csv(found: Iterable[Run]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(Run._fields)
    writer.writerows(_values(run).values() for run in found)


def _write_json(found: Iterable[Run]) -> None:
    separator = "[\n"
    for run in found:
        sys.stdout.write(separator + json.dumps(_values(run)))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")
