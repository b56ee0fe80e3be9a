"""The `eventindex` command. Each subcommand is a module beside this one."""

from __future__ import annotations

from importlib.metadata import version

import click

from eventindex.cli.common import Cli
from eventindex.cli.compare import compare
from eventindex.cli.conflicts import conflicts
from eventindex.cli.cosmic import cosmic
from eventindex.cli.counts import counts
from eventindex.cli.criteria import criteria
from eventindex.cli.datasets import datasets
from eventindex.cli.dead_letters import dead_letters
from eventindex.cli.events import events
from eventindex.cli.files import files
from eventindex.cli.generate import generate_command
from eventindex.cli.load import load
from eventindex.cli.lookup import lookup
from eventindex.cli.publish import publish
from eventindex.cli.runs import runs
from eventindex.cli.server import load_up_command, migrate
from eventindex.cli.token import token
from eventindex.cli.verify import verify


class _Commands(Cli):
    """`up` belongs to the server parts, which a light install does not have."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return ["up", *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        return load_up_command() if cmd_name == "up" else super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("eventindex"), prog_name="eventindex")
def main() -> None:
    """Which RAW file holds event E of run R?

    Services are found by --address, by EVENTINDEX_INDEX_ADDRESS and EVENTINDEX_INGEST_ADDRESS, by
    what `eventindex up` wrote to ./.eventindex, or on their usual ports on this machine.
    """


for _command in (
    compare,
    conflicts,
    cosmic,
    counts,
    criteria,
    datasets,
    dead_letters,
    events,
    files,
    generate_command,
    load,
    lookup,
    migrate,
    publish,
    runs,
    token,
    verify,
):
    main.add_command(_command)
