"""`eventindex files`: the RAW files of the index, and the lines of a telescope's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import islice

import click

from eventindex.catalogue_results import FileOfRun
from eventindex.cli.shared.common import connection_options
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    order_and_limit,
    record_of,
    write_fields,
    write_list,
)
from eventindex.cli.shared.selection_options import dataset, number
from eventindex.client import Client
from eventindex.results import DatasetState, RawFile


def _mark(file: RawFile) -> str:
    """Return a mark for files whose dataset takes no more events."""
    state = file.dataset_state
    closed = state in {DatasetState.FROZEN, DatasetState.RETIRED}
    return f" {state.name.lower()}" if closed else ""


_NUMBERS: list[Column[FileOfRun]] = [
    Column("run", lambda row: str(row.run_number), right=True),
    Column("events", lambda row: f"{row.events:,}", right=True),
    Column("first", lambda row: str(row.event_first), right=True),
    Column("last", lambda row: str(row.event_last), right=True),
]
_COLUMNS: list[Column[FileOfRun]] = [
    Column("RAW file", lambda row: row.file.fuid_raw, fold=True),
    Column("dataset", lambda row: f"{row.file.dsid_raw}{_mark(row.file)}"),
    *_NUMBERS,
]
_FIELDS = (
    "fuid_raw",
    "dsid_raw",
    "dataset_state",
    "run_number",
    "events",
    "event_first",
    "event_last",
)
_LAYOUT = Layout(_COLUMNS, _FIELDS, record_of)
_RUNS_LAYOUT = Layout(_NUMBERS, _FIELDS, record_of)
_ORDERS = ("run_number", "fuid_raw", "events")


@click.group(cls=ListGroup, short_help="RAW files: list, show, cat.")
def files() -> None:
    """RAW files: list (when nothing else is said), show, cat."""


@files.command("list")
@click.option("--run", type=number, help="Files of this run.")
@click.option("--dataset", type=dataset, help="Files of this dataset, by number or name.")
@order_and_limit(*_ORDERS, noun="lines")
@format_option
@connection_options
def list_files(
    *,
    connect: Callable[[], Client],
    run: int | None,
    dataset: int | str | None,
    order_by: str,
    limit: int | None,
    form: str,
) -> None:
    """List the RAW files, a line for each run that they hold events of."""
    with connect() as client:
        found = client.files(run=run, dataset=dataset, order_by=order_by)
        write_list(islice(found, limit), _LAYOUT, form)


@files.command()
@click.argument("fuid", type=click.UUID)
@format_option
@connection_options
def show(connect: Callable[[], Client], fuid: uuid.UUID, form: str) -> None:
    """Show the dataset and the runs of a RAW file.

    `eventindex events --file FUID` gives its events.
    """
    with connect() as client:
        content = client.get_file(str(fuid))
    if form == "table":
        datasets = {
            run.file.dsid_raw: f"{run.file.dsid_raw} ({run.file.dataset_state.name.lower()})"
            for run in content.runs
        }
        write_fields([("file", str(fuid)), ("dataset", ", ".join(datasets.values()))])
        click.echo()
    write_list(content.runs, _RUNS_LAYOUT, form)


@files.command()
@click.argument("fuid", type=click.UUID)
@connection_options
def cat(connect: Callable[[], Client], fuid: uuid.UUID) -> None:
    """Print a telescope's RAW file: JSON lines, in ascending event number.

    `eventindex load --format dat` reads them again, or `load` from a file NAME.dat.
    """
    with connect() as client:
        for line in client.read_raw_file(str(fuid)):
            click.echo(line)
