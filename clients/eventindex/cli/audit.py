"""`eventindex audit`: who changed what, the newest first."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from eventindex.admin_results import AdminAction
from eventindex.cli.shared.common import connection_options
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    record_of,
    show_time,
    write_list,
)
from eventindex.cli.shared.ranges import whole

if TYPE_CHECKING:
    from eventindex.client import Client

_COLUMNS: list[Column[AdminAction]] = [
    Column("id", lambda row: str(row.action_id), right=True),
    Column("when", lambda row: show_time(row.began)),
    Column("subject", lambda row: row.subject or row.peer, fold=True),
    Column("method", lambda row: row.method),
    Column("request", lambda row: row.request, fold=True),
    Column("outcome", lambda row: row.outcome, fold=True),
]


@click.command(short_help="Who changed what, the newest first.")
@click.option("--subject", default="", help="Those of one subject alone.")
@click.option("--method", default="", help="Those of one method alone, such as DeleteDataset.")
@click.option("--limit", type=whole(1), help="At most so many.")
@format_option
@connection_options
def audit(
    connect: Callable[[], Client], subject: str, method: str, limit: int | None, form: str
) -> None:
    """List the calls that changed something, or tried to, with who made them.

    The record is committed together with the change itself.
    """
    with connect() as client:
        rows = islice(client.admin_actions(subject=subject, method=method), limit)
        write_list(rows, Layout(_COLUMNS, AdminAction._fields, record_of), form)
