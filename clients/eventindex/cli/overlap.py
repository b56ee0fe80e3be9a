"""`eventindex overlap`: how many events collections have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import connection_options
from eventindex.cli.shared.listing import Column, Layout, format_option, write_list
from eventindex.cli.shared.selection_options import number
from eventindex.collection_results import CollectionOverlap

if TYPE_CHECKING:
    from eventindex.client import Client

Row = dict[str, object]


@click.command(short_help="Events that collections have in common.")
@click.argument("collections", nargs=-1, required=True)
@click.option("--run-first", type=number, help="From this run on.")
@click.option("--run-last", type=number, help="Up to this run.")
@click.option("--by-run", is_flag=True, help="A matrix for each run.")
@format_option
@connection_options
def overlap(
    *,
    connect: Callable[[], Client],
    collections: tuple[str, ...],
    run_first: int | None,
    run_last: int | None,
    by_run: bool,
    form: str,
) -> None:
    """Count the events that each two COLLECTIONS have in common.

    On the diagonal are all events of a collection.
    """
    with connect() as client:
        try:
            found = client.overlap(
                collections, run_first=run_first, run_last=run_last, by_run=by_run
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    fields = [*(["run_number"] if by_run else []), "collection", *found.collections]
    write_list(_rows(found, by_run=by_run), _layout(fields), form)


def _rows(found: CollectionOverlap, *, by_run: bool) -> Iterator[Row]:
    matrices = found.by_run.items() if by_run else [(None, found.events)]
    for run, matrix in matrices:
        for name, counts in zip(found.collections, matrix.tolist(), strict=True):
            row: Row = {} if run is None else {"run_number": run}
            yield {**row, "collection": name, **dict(zip(found.collections, counts, strict=True))}


def _layout(fields: list[str]) -> Layout:
    columns: list[Column[Row]] = [
        Column(
            "run" if name == "run_number" else name,
            lambda row, name=name: _text(row[name]),  # type: ignore[misc]
            right=name != "collection",
        )
        for name in fields
    ]
    return Layout(columns, fields, lambda row: row)


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
