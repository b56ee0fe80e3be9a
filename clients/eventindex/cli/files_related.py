"""`eventindex files parents|children`: the files that a file's events came from, and went into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import connection_options
from eventindex.cli.shared.listing import Column, Layout, format_option, record_of, write_list
from eventindex.uuids import is_canonical_uuid

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.file_results import RelatedFile

_LAYOUT: Layout = Layout(
    [
        Column("collection", lambda row: row.collection, fold=True),
        Column("file", lambda row: row.file.fuid_raw, fold=True),
        Column("dataset", lambda row: str(row.file.dsid_raw)),
        Column("events", lambda row: f"{row.events:,}", right=True),
        Column("name", lambda row: row.file.name, fold=True),
    ],
    ("collection", "fuid_raw", "dsid_raw", "dataset_state", "events", "name"),
    lambda row: record_of(row) | {"name": row.file.name},
)
_collections = click.option(
    "--collection", "collections", multiple=True, metavar="NAME", help="In this collection alone."
)


@click.command(short_help="The files that its events came from.")
@click.argument("file", metavar="FUID | NAME")
@_collections
@format_option
@connection_options
def parents(
    *, connect: Callable[[], Client], file: str, collections: Sequence[str], form: str
) -> None:
    """List the files that the events of a file came from, and how many of each.

    Looks in the collection that the file's own was made from, and in what that was made from, step
    by step.
    """
    write_list(_related(connect, file, collections, parents=True), _LAYOUT, form)


@click.command(short_help="The files that its events went into.")
@click.argument("file", metavar="FUID | NAME")
@_collections
@format_option
@connection_options
def children(
    *, connect: Callable[[], Client], file: str, collections: Sequence[str], form: str
) -> None:
    """List the files that the events of a file went into, and how many into each.

    Looks in the collections that were made from the file's own; with --collection in later ones
    too.
    """
    write_list(_related(connect, file, collections, parents=False), _LAYOUT, form)


def _related(
    connect: Callable[[], Client], file: str, collections: Sequence[str], *, parents: bool
) -> Sequence[RelatedFile]:
    fuid = file if is_canonical_uuid(file) else None
    names = [name for text in collections for name in text.split(",")]
    with connect() as client:
        found = client.get_file(
            fuid,
            name="" if fuid else file,
            with_file_names=True,
            with_parents=parents,
            with_children=not parents,
            related_collections=names,
        )
    return found.parents if parents else found.children
