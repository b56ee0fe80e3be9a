"""`eventindex collections`: the collections of the index, made, changed and removed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from eventindex.cli.datasets import follow_removal
from eventindex.cli.shared.common import (
    Failure,
    both_services,
    connection_options,
    counted,
    note,
)
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    record_of,
    show_time,
    write_list,
)
from eventindex.cli.shared.progress import ProgressReport
from eventindex.collection_names import RAW
from eventindex.collection_results import Collection
from eventindex.printing import printable
from eventindex.values import DatasetState

if TYPE_CHECKING:
    from eventindex.client import Client


def _about(row: Collection) -> str:
    return row.comment or (f"telescope {row.detector_id}" if row.detector_id else "")


_COLUMNS: list[Column[Collection]] = [
    Column("collection", lambda row: row.name, fold=True),
    Column("made from", lambda row: row.made_from, fold=True),
    Column("state", lambda row: row.state.name.lower()),
    Column("events", lambda row: f"{row.events:,}", right=True),
    Column("runs", lambda row: f"{row.runs:,}", right=True),
    Column("created", lambda row: show_time(row.created)[:10]),
    Column("comment", _about, fold=True),
]
_LAYOUT = Layout(_COLUMNS, Collection._fields, record_of)
_STATES = {state.name.lower(): state for state in DatasetState if state}


@click.group(cls=ListGroup, short_help="Collections: list, create, change, delete.")
def collections() -> None:
    """Return collections: list (when nothing else is said), create, change, delete.

    A collection is one way through the data, in which an event has one home: the RAW data, a
    reconstruction pass, the AODs of a production, a simulated sample.
    """


@collections.command("list")
@format_option
@connection_options
def list_collections(*, connect: Callable[[], Client], form: str) -> None:
    """List the collections."""
    with connect() as client:
        write_list(client.collections(), _LAYOUT, form)


@collections.command()
@click.argument("name")
@click.option("--from", "made_from", default="", metavar="NAME", help="What it is made from.")
@click.option("--comment", default="", help="What people should know of it.")
@connection_options
def create(connect: Callable[[], Client], name: str, made_from: str, comment: str) -> None:
    """Make a collection."""
    with connect() as client:
        _report(client.create_collection(name, made_from=made_from, comment=comment))


@collections.command()
@click.argument("name")
@click.option("--state", type=click.Choice(list(_STATES)), help="Frozen takes no new events.")
@click.option("--comment", help="What people should know of it.")
@connection_options
def change(
    connect: Callable[[], Client], name: str, state: str | None, comment: str | None
) -> None:
    """Set the state or the comment of a collection."""
    if state is None and comment is None:
        raise click.UsageError("nothing to change: give --state or --comment")
    with connect() as client:
        _report(
            client.update_collection(name, state=_STATES[state] if state else None, comment=comment)
        )


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@both_services
def delete(connect: Callable[[], Client], name: str, yes: bool) -> None:
    """Remove a collection with all its events and datasets for good.

    It must be frozen or retired. Works in many short transactions; can be interrupted, and run
    again to go on.
    """
    with connect() as client:
        known = next((one for one in client.collections() if one.name == name), None)
        if known is None:
            raise Failure(f"collection {name!r} is not in the index")
        # Nobody is asked about what the service refuses.
        if not yes and name != RAW and known.state is not DatasetState.OPEN:
            _confirm(known)
        with ProgressReport(f"delete {printable(name)}", known.events or None) as progress:
            removed = follow_removal(client.delete_collection(name), progress)
    note(f"collection {printable(name)} removed: {counted(removed, 'event')}")


def _confirm(known: Collection) -> None:
    question = (
        f"Remove collection {printable(known.name)}: {counted(known.events, 'event')} "
        f"in {counted(known.runs, 'run')}?"
    )
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Give --yes to do so.")
    click.confirm(question, abort=True, err=True)


def _report(collection: Collection) -> None:
    made_from = f", made from {collection.made_from}" if collection.made_from else ""
    comment = f": {printable(collection.comment)}" if collection.comment else ""
    state = collection.state.name.lower()
    note(f"collection {printable(collection.name)} is {state}{made_from}{comment}")
