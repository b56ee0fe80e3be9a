"""`eventindex files`: the RAW files of the index, their names, and the lines of a telescope's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from eventindex.catalogue_results import FileOfRun
from eventindex.cli.files_import import import_files
from eventindex.cli.files_related import children, parents
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
from eventindex.cli.shared.selection_options import (
    collection_option,
    dataset,
    detector_option,
    number,
    one_collection,
)
from eventindex.uuids import is_canonical_uuid
from eventindex.values import DatasetState, RawFile

if TYPE_CHECKING:
    from eventindex.client import Client


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
    "collection",
)
_LAYOUT = Layout(_COLUMNS, _FIELDS, record_of)
_NAME_FIELDS = ("name", "bytes", "checksum", "url")


def _named_record(row: FileOfRun) -> dict[str, object]:
    known = {field: getattr(row.file, field) for field in _NAME_FIELDS}
    return record_of(row) | known


_NAMED_LAYOUT = Layout(
    [
        *_COLUMNS,
        Column("size", lambda row: f"{row.file.bytes:,}" if row.file.bytes else "", right=True),
        Column("name", lambda row: row.file.url or row.file.name, fold=True),
    ],
    (*_FIELDS, *_NAME_FIELDS),
    _named_record,
)
_RUNS_LAYOUT = Layout(_NUMBERS, _FIELDS, record_of)
_ORDERS = ("run_number", "fuid_raw", "events")


@click.group(cls=ListGroup, short_help="RAW files: list, show, parents, children, import, cat.")
def files() -> None:
    """RAW files: list (when nothing else is said), show, parents, children, import, cat."""


files.add_command(import_files)
files.add_command(parents)
files.add_command(children)


@files.command("list")
@click.option("--run", type=number, help="Files of this run.")
@click.option("--dataset", type=dataset, help="Files of this dataset, by number or name.")
@detector_option
@click.option(
    "--name", default="", metavar="PATTERN", help="Files with such a name: * is any text, ? one."
)
@collection_option
@click.option("--names", is_flag=True, help="Print names, sizes and addresses too.")
@order_and_limit(*_ORDERS, noun="lines")
@format_option
@connection_options
def list_files(
    *,
    connect: Callable[[], Client],
    run: int | None,
    dataset: int | str | None,
    detector: str | None,
    name: str,
    collection: str | None,
    names: bool,
    order_by: str,
    limit: int | None,
    form: str,
) -> None:
    """List the RAW files, a line for each run that they hold events of."""
    with connect() as client:
        with_names = names or bool(name)
        found = client.files(
            run=run,
            dataset=dataset,
            name=name,
            collection=one_collection(collection, detector),
            with_file_names=with_names,
            order_by=order_by,
        )
        write_list(islice(found, limit), _NAMED_LAYOUT if with_names else _LAYOUT, form)


@files.command()
@click.argument("file", metavar="FUID | NAME")
@format_option
@connection_options
def show(connect: Callable[[], Client], file: str, form: str) -> None:
    """Show the dataset and the runs of a RAW file, by its id or its whole name.

    `eventindex events --file FUID` gives its events.
    """
    with connect() as client:
        fuid = file if is_canonical_uuid(file) else None
        content = client.get_file(fuid, name="" if fuid else file, with_file_names=True)
    if form == "table":
        datasets = {
            run.file.dsid_raw: f"{run.file.dsid_raw} ({run.file.dataset_state.name.lower()})"
            for run in content.runs
        }
        known = content.runs[0].file
        write_fields(
            [
                ("file", known.fuid_raw),
                ("dataset", ", ".join(datasets.values())),
                ("collection", ", ".join(sorted({run.collection for run in content.runs}))),
                *([("name", known.name)] if known.name else []),
                *([("size", f"{known.bytes:,} bytes")] if known.bytes else []),
                *([("checksum", known.checksum)] if known.checksum else []),
                *([("address", known.url)] if known.url else []),
            ]
        )
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
