"""`eventindex counts`: numbers of events, by run, dataset, file, bit or pair of bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from eventindex.choices import CountBy
from eventindex.cli.shared.common import both_services, counted
from eventindex.cli.shared.listing import Column, Layout, format_option, record_of, write_list
from eventindex.cli.shared.selection_options import selection_options

if TYPE_CHECKING:
    from eventindex.cli.shared.selection_options import SelectionOptions
    from eventindex.client import Client
    from eventindex.selection_results import EventCount, EventCounts

_FIELDS: dict[str | None, tuple[str, ...]] = {
    None: ("events",),
    CountBy.RUN: ("run_number", "events"),
    CountBy.DATASET: ("dsid_raw", "events"),
    CountBy.FILE: ("fuid_raw", "dsid_raw", "events"),
    CountBy.BIT: ("olt_bit", "olt_name", "events"),
    CountBy.OVERLAP: ("olt_bit", "olt_name", "other_olt_bit", "other_olt_name", "events"),
}
_TITLES = {
    "run_number": "run",
    "dsid_raw": "dataset",
    "fuid_raw": "RAW file",
    "olt_bit": "bit",
    "olt_name": "criterion",
}


@click.command()
@click.option("--by", type=click.Choice([by.value for by in CountBy]), help="What to count by.")
@selection_options
@format_option
@both_services
def counts(
    *,
    connect: Callable[[], Client],
    selection: SelectionOptions,
    by: str | None,
    form: str,
) -> None:
    """Count the events of a selection.

    BIT is a bit of olt_result, 0 to 63, the name of a criterion, or a mask 0x…; the options that
    take one may be repeated. `--by bit` counts the events that have each bit set, `--by overlap`
    those that have both bits of each pair.
    """
    from eventindex.cli.counts_matrix import write_matrix
    from eventindex.selection_results import EventCount

    with connect() as client:
        found = client.count_events(by=by, **selection.resolve(client))
    rows = found.counts if by else [EventCount(found.total)]
    if form != "table":
        write_list(rows, _layout(by, found), form)
        return
    if by == CountBy.OVERLAP:
        write_matrix(rows)
    elif by:
        write_list(rows, _layout(by, found), form)
    click.echo(f"{counted(found.total, 'event')} in all")


def _layout(by: str | None, found: EventCounts) -> Layout:
    fields = _FIELDS[by]
    columns: list[Column[EventCount]] = [_column(name) for name in fields if name in _TITLES]
    columns.append(Column("events", lambda row: f"{row.events:,}", right=True))
    if found.total:
        columns.append(Column("share", lambda row: _share(row.events, found.total), right=True))
    return Layout(columns, fields, lambda row: _record(row, fields))


def _column(name: str) -> Column[EventCount]:
    def cell(row: EventCount) -> str:
        value = getattr(row, name)
        return "" if value is None else str(value)

    text = name in {"fuid_raw", "olt_name"}
    return Column(_TITLES[name], cell, right=not text, fold=text)


def _record(row: EventCount, fields: tuple[str, ...]) -> dict[str, Any]:
    whole = record_of(row)
    return {name: whole[name] for name in fields}


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}%"
