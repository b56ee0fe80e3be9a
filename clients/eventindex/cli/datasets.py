"""`eventindex datasets`: the datasets of the index, their states, and their removal."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import islice
from typing import TYPE_CHECKING

import click

from eventindex.admin_results import DeleteProgress
from eventindex.catalogue_results import Dataset
from eventindex.cli.shared.bulk import confirm, yes_option
from eventindex.cli.shared.common import Failure, both_services, connection_options, counted, note
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    order_and_limit,
    record_of,
    show_time,
    write_list,
)
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.selection_options import dataset
from eventindex.printing import printable
from eventindex.values import DatasetState

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[Dataset]] = [
    Column("dataset", lambda row: str(row.dsid_raw), right=True),
    Column("name", lambda row: row.name, fold=True),
    Column("state", lambda row: row.state.name.lower()),
    Column("events", lambda row: f"{row.events:,}", right=True),
    Column("files", lambda row: f"{row.files:,}", right=True),
    Column("created", lambda row: show_time(row.created)[:10]),
    Column("comment", lambda row: row.comment, fold=True),
]
_LAYOUT = Layout(_COLUMNS, Dataset._fields, record_of)
_STATES = {state.name.lower(): state for state in DatasetState if state}
_ORDERS = ("dsid_raw", "name", "events", "created")


@click.group(
    cls=ListGroup, short_help="Datasets: list, show, rename, comment, freeze, retire, open, delete."
)
def datasets() -> None:
    """Datasets: list (when nothing else is said), show, freeze, retire, name, delete.

    dataset is a number or a name.
    """


@datasets.command("list")
@click.option("--state", type=click.Choice(list(_STATES)), help="In this state.")
@click.option("--name", default="", metavar="PART", help="With this in the name.")
@click.option("--collection", default="", metavar="NAME", help="Of this collection.")
@order_and_limit(*_ORDERS, noun="datasets")
@format_option
@connection_options
def list_datasets(
    *,
    connect: Callable[[], Client],
    state: str | None,
    name: str,
    collection: str,
    order_by: str,
    limit: int | None,
    form: str,
) -> None:
    """List the datasets."""
    with connect() as client:
        found = client.datasets(
            state=_STATES[state] if state else None,
            name_contains=name,
            order_by=order_by,
            collection=collection,
        )
        write_list(islice(found, limit), _LAYOUT, form)


@datasets.command()
@click.argument("dataset", type=dataset)
@format_option
@connection_options
def show(*, connect: Callable[[], Client], dataset: int | str, form: str) -> None:
    """Show one dataset."""
    with connect() as client:
        write_list([client.get_dataset(dataset)], _LAYOUT, form)


def _state_command(name: str, state: DatasetState, text: str) -> click.Command:
    @click.argument("dataset", type=dataset)
    @both_services
    def change(connect: Callable[[], Client], dataset: int | str) -> None:
        with connect() as client:
            _report(client.update_dataset(dataset, state=state))

    change.__doc__ = text
    return click.command(name)(change)


datasets.add_command(
    _state_command("open", DatasetState.OPEN, "Let a dataset take new events again.")
)
datasets.add_command(
    _state_command("freeze", DatasetState.FROZEN, "Refuse new events of a dataset.")
)
datasets.add_command(
    _state_command(
        "retire",
        DatasetState.RETIRED,
        "Refuse new events of a dataset, and mark those that are found.",
    )
)


@datasets.command()
@click.argument("dataset", type=dataset)
@click.argument("name")
@both_services
def rename(connect: Callable[[], Client], dataset: int | str, name: str) -> None:
    """Give a dataset a name."""
    with connect() as client:
        _report(client.update_dataset(dataset, name=name))


@datasets.command()
@click.argument("dataset", type=dataset)
@click.argument("text")
@both_services
def comment(connect: Callable[[], Client], dataset: int | str, text: str) -> None:
    """Set the comment of a dataset."""
    with connect() as client:
        _report(client.update_dataset(dataset, comment=text))


@datasets.command()
@click.argument("dataset", type=dataset)
@yes_option
@both_services
def delete(connect: Callable[[], Client], dataset: int | str, yes: bool) -> None:
    """Remove all events of a dataset for good.

    It must be frozen or retired. Works in many short transactions; can be interrupted, and run
    again to go on.
    """
    with connect() as client:
        known = client.get_dataset(dataset)
        if known.state == DatasetState.OPEN:
            raise Failure(f"dataset {known.dsid_raw} is open: freeze or retire it first")
        confirm(_question(known), yes)
        with ProgressReport(f"delete {printable(known.name)}", known.events or None) as progress:
            removed = follow_removal(client.delete_dataset(known.dsid_raw), progress)
    note(f"{counted(removed, 'event')} removed")


def _question(known: Dataset) -> str:
    return (
        f"Remove dataset {known.dsid_raw} ({printable(known.name)}): "
        f"{counted(known.events, 'event')} in {counted(known.files, 'file')}?"
    )


def follow_removal(steps: Generator[DeleteProgress, None, None], progress: ProgressReport) -> int:
    """Follow the removal to its end and return how many events it took, or say how far it came."""
    step = DeleteProgress(0, 0)
    try:
        for step in steps:
            progress.at(step.events_removed, f"{step.events_left:,} left")
    except KeyboardInterrupt:
        steps.close()
        raise Failure(
            f"interrupted: {counted(step.events_removed, 'event')} removed, "
            f"{step.events_left:,} left; run the command again to go on"
        ) from None
    if step.events_left:
        left = counted(step.events_left, "event")
        raise Failure(f"not all is removed: {left} left; run the command again to go on")
    return step.events_removed


def _report(dataset: Dataset) -> None:
    note(
        f"dataset {dataset.dsid_raw} ({printable(dataset.name)}) is "
        f"{dataset.state.name.lower()}"
        + (f": {printable(dataset.comment)}" if dataset.comment else "")
    )
