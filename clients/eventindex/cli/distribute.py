"""`eventindex distribute`: the tables by run over the nodes of a Citus cluster, and back."""

from __future__ import annotations

import click

from eventindex.addresses import find_address
from eventindex.cli.shared.common import Failure, missing_part
from eventindex.cli.shared.ranges import whole

_SHARDS_DEFAULT, _SHARDS_MAX = 32, 4096


@click.command(short_help="Distribute the tables over a Citus cluster.")
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL URL of the owner at the coordinator (default: EVENTINDEX_DATABASE_URL, or "
    "what `up` runs).",
)
@click.option(
    "--shards",
    type=whole(1, _SHARDS_MAX),
    default=_SHARDS_DEFAULT,
    show_default=True,
    help="Parts of each table: two to four for each core of all workers.",
)
@click.option("--undo", is_flag=True, help="Bring the tables back to the coordinator.")
def distribute(*, database: str | None, shards: int, undo: bool) -> None:
    """Distribute the tables that are kept by run over the nodes of a Citus cluster.

    The database is migrated and the services are stopped; events that are there move with their
    tables. All of a run lies on one node. What is done already stays as it is.
    """
    url = find_address("database", database)
    if not url:
        raise click.UsageError("give --database or EVENTINDEX_DATABASE_URL")
    try:
        # Not in the light install.
        from event_store.admin import distribute as cluster  # not in the light install
        from event_store.errors import StoreError, StoreUnavailableError  # not in the light install
    except ModuleNotFoundError as error:
        raise missing_part("distribute", error) from error
    try:
        if undo:
            layout = cluster.undo(url, click.echo)
        else:
            layout = cluster.distribute(url, shards, click.echo)
    except (StoreError, StoreUnavailableError) as error:
        raise Failure(" ".join(str(error).split())) from error
    if layout.shards:
        click.echo(
            f"the tables by run have {layout.shards} shards on {layout.nodes} nodes; the "
            "others are on the coordinator"
        )
    else:
        click.echo("all tables are on this server")
