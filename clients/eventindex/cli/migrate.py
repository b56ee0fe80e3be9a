"""`eventindex migrate`: the tables of the index, brought up to date."""

from __future__ import annotations

import click

from eventindex.addresses import find_address
from eventindex.cli.shared.common import Failure, missing_part


@click.command()
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL URL of the owner (default: EVENTINDEX_DATABASE_URL, or what `up` runs).",
)
def migrate(database: str | None) -> None:
    """Bring the tables of the index up to date.

    Harmless when they are.
    """
    url = find_address("database", database)
    if not url:
        raise click.UsageError("give --database or EVENTINDEX_DATABASE_URL")
    try:
        # Not in the light install.
        from event_store.database.migrate import (
            migrate as run_migrations,  # not in the light install
        )
        from event_store.errors import StoreError, StoreUnavailableError  # not in the light install
    except ModuleNotFoundError as error:
        raise missing_part("migrate", error) from error
    try:
        applied = run_migrations(url)
    except (StoreError, StoreUnavailableError) as error:
        raise Failure(" ".join(str(error).split())) from error
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do: the tables are up to date")
