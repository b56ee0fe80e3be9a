"""`eventindex criteria`: the names of the bits of `olt_result`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from eventindex.admin_results import Criterion
from eventindex.cli.shared.bulk import confirm, yes_option
from eventindex.cli.shared.common import connection_options, note
from eventindex.cli.shared.groups import ListGroup
from eventindex.cli.shared.listing import Column, Layout, format_option, record_of, write_list
from eventindex.cli.shared.ranges import whole
from eventindex.cli.shared.selection_options import CriterionNames, number
from eventindex.printing import printable

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[Criterion]] = [
    Column("bit", lambda row: str(row.bit), right=True),
    Column("criterion", lambda row: row.name, fold=True),
    Column("from run", lambda row: str(row.run_first), right=True),
]


@click.group(cls=ListGroup, short_help="Criteria of the online filter: list, set, delete.")
def criteria() -> None:
    """Criteria of the online filter: list (when nothing else is said), set, delete."""


@criteria.command("list")
@format_option
@connection_options
def list_criteria(connect: Callable[[], Client], form: str) -> None:
    """List the names of the bits of olt_result, and from which run on they hold."""
    with connect() as client:
        write_list(client.criteria(), Layout(_COLUMNS, Criterion._fields, record_of), form)


@criteria.command("set")
@click.argument("bit", type=whole(0, 63), metavar="BIT")
@click.argument("name")
@click.option("--from-run", type=number, default=0, show_default=True, help="First run.")
@connection_options
def set_criterion(connect: Callable[[], Client], bit: int, name: str, from_run: int) -> None:
    """Name a bit of olt_result from a run on."""
    with connect() as client:
        done = client.set_criterion(bit, name, run_first=from_run)
    note(f"bit {done.bit} is {printable(done.name)} from run {done.run_first} on")


@criteria.command("delete")
@click.argument("criterion", metavar="BIT")
@click.option("--from-run", type=number, help="Only the name from this run on.")
@yes_option
@connection_options
def delete_criterion(
    *, connect: Callable[[], Client], criterion: str, from_run: int | None, yes: bool
) -> None:
    """Take the names of a bit away; BIT is its number or one of its names.

    Nothing of the events changes: olt_result has the bits.
    """
    with connect() as client:
        bit = CriterionNames(client).bit_of(criterion)
        known = [c for c in client.criteria() if c.bit == bit and from_run in {None, c.run_first}]
        words = ", ".join(f"{printable(c.name)} (from run {c.run_first} on)" for c in known)
        if known:
            confirm(f"Take from bit {bit}: {words}?", yes)
        gone = client.delete_criterion(bit, run_first=from_run)
    for one in gone:
        note(f"bit {one.bit} is no longer {printable(one.name)} from run {one.run_first} on")
