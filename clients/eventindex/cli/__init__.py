"""The `eventindex` command. Each subcommand is a module beside this one."""

from __future__ import annotations

from importlib import import_module

import click

from eventindex.cli.server import load_up_command
from eventindex.cli.shared.common import Cli

# Where each command is. Imported when it is asked for: all of them take 0.1 s (measured).
_COMMANDS = {
    "collections": "collections.collections",
    "compare": "compare.compare",
    "conflicts": "conflicts.conflicts",
    "cosmic": "cosmic.cosmic",
    "counts": "counts.counts",
    "criteria": "criteria.criteria",
    "datasets": "datasets.datasets",
    "dead-letters": "dead_letters.dead_letters",
    "events": "events.events",
    "files": "files.files",
    "generate": "generate.generate_command",
    "load": "load.load",
    "lookup": "lookup.lookup",
    "migrate": "server.migrate",
    "overlap": "overlap.overlap",
    "pick": "pick.pick",
    "publish": "publish.publish",
    "runs": "runs.runs",
    "token": "token.token",
    "verify": "verify.verify",
}


class _Commands(Cli):
    """`up` belongs to the server parts, which a light install does not have."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return ["up", *_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        del ctx
        if cmd_name == "up":
            return load_up_command()
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(import_module(f"eventindex.cli.{module}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eventindex", prog_name="eventindex")
def main() -> None:
    """Which RAW file holds event E of run R?

    Services are found by --address, by EVENTINDEX_INDEX_ADDRESS and EVENTINDEX_INGEST_ADDRESS, by
    what `eventindex up` wrote to ./.eventindex, or on their usual ports on this machine.
    """
