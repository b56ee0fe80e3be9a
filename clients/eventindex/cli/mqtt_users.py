"""`eventindex mqtt-users`: users of the broker of docker-compose.yml, one for each detector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from eventindex.cli.shared.common import Failure

_SCRIPT = Path("deploy", "mqtt-users")


@click.group("mqtt-users")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where docker-compose.yml is (default: here, or the source tree of this command).",
)
@click.pass_context
def mqtt_users(context: click.Context, directory: Path | None) -> None:
    """Users of Compose's broker, one for each detector: list, add, remove.

    A user may write under cosmic/<its name>/event and nothing else. The broker goes on.
    """
    places = [directory] if directory else [Path(), Path(__file__).parents[3]]
    found = next((place / _SCRIPT for place in places if (place / _SCRIPT).is_file()), None)
    if found is None:
        raise Failure(f"there is no {_SCRIPT} in {places[0].absolute()}: see --directory")
    context.obj = found


@mqtt_users.command()
@click.argument("name")
@click.pass_obj
def add(script: Path, name: str) -> None:
    """Add a user and print the password, this once; again: another password."""
    _run(script, "add", name)


@mqtt_users.command()
@click.argument("name")
@click.pass_obj
def remove(script: Path, name: str) -> None:
    """Remove a user. Its open connections stay until they end."""
    _run(script, "remove", name)


@mqtt_users.command("list")
@click.pass_obj
def list_(script: Path) -> None:
    """List the users."""
    _run(script, "list")


def _run(script: Path, *arguments: str) -> None:
    # The script speaks for itself, also of what is wrong.
    done = subprocess.run([str(script.absolute()), *arguments], check=False)  # noqa: S603  # ours
    sys.exit(done.returncode)
