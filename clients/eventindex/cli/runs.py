"""`eventindex runs`: the runs of the index."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import connection_options
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    order_and_limit,
    record_of,
    show_time,
    write_list,
)
from eventindex.cli.shared.selection_options import checked_range, collection_option, number
from eventindex.collection_names import RAW
from eventindex.run_results import Run

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[Run]] = [
    Column("run", lambda run: str(run.run_number), right=True),
    Column("events", lambda run: f"{run.events:,}", right=True),
    Column("first", lambda run: str(run.event_first), right=True),
    Column("last", lambda run: str(run.event_last), right=True),
    Column("files", lambda run: f"{run.files:,}", right=True),
    Column("conflicts", lambda run: f"{run.conflicts:,}", right=True),
    Column("last seen", lambda run: show_time(run.last_seen)),
    Column("detector", lambda run: run.detector_id, fold=True),
]
_LAYOUT = Layout(_COLUMNS, Run._fields, record_of)
_ORDERS = ("run_number", "events", "first_seen", "last_seen")


@click.command()
@click.option("--run-first", type=number, help="From this run on.")
@click.option("--run-last", type=number, help="Up to this run.")
@click.option("--detector", help="Runs of one telescope.")
@collection_option
@order_and_limit(*_ORDERS, noun="runs")
@format_option
@connection_options
def runs(
    *,
    connect: Callable[[], Client],
    run_first: int | None,
    run_last: int | None,
    detector: str | None,
    collection: str | None,
    order_by: str,
    limit: int | None,
    form: str,
) -> None:
    """List the runs of the index."""
    first, last = checked_range(run_first, run_last, "run") or (None, None)
    with connect() as client:
        found = client.runs(
            run_first=first,
            run_last=last,
            detector_id=detector,
            order_by=order_by,
            collection=collection or RAW,
        )
        write_list(islice(found, limit), _LAYOUT, form)
