"""Commands that need the server parts: `up` and `migrate`. Imports them only when they are run."""

from __future__ import annotations

import click

from eventindex.addresses import find_address
from eventindex.cli.shared.common import Failure


def missing_part(command: str, error: ModuleNotFoundError) -> Failure:
    """Return the failure of a command whose modules are not installed."""
    return Failure(
        f"`{command}` needs the server parts: pip install 'eventindex[server]' "
        f"({error.name} is missing)"
    )


def load_up_command() -> click.Command:
    """Return `up`, or a command that says what to install."""
    try:
        from local_stack.command import up_command  # noqa: PLC0415  # not in the light install
    except ModuleNotFoundError as error:
        return _stand_in(missing_part("up", error))
    return up_command


def _stand_in(failure: Failure) -> click.Command:
    def fail() -> None:
        raise failure

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(
        "up",
        context_settings=settings,
        callback=fail,
        help="Run PostgreSQL, a broker and all services (needs the server parts).",
    )


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
        from event_store.database.migrate import migrate as run_migrations  # noqa: PLC0415  # not in the light install
        from event_store.errors import StoreError, StoreUnavailableError  # noqa: PLC0415  # not in the light install
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
