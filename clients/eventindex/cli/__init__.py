"""The `eventindex` command. Each subcommand is a module beside this one."""

from __future__ import annotations

from importlib import import_module

import click

from eventindex.cli.shared.common import Cli

# The command `a-b` is the function `a_b` of the module `a_b` beside this one. Imported when it is
# asked for: all of them take 0.1 s (measured).
_COMMANDS = (
    "up",
    "collections",
    "compare",
    "conflicts",
    "cosmic",
    "counts",
    "criteria",
    "datasets",
    "dead-letters",
    "duplicates",
    "events",
    "files",
    "generate",
    "load",
    "lookup",
    "migrate",
    "overlap",
    "pick",
    "publish",
    "runs",
    "token",
    "verify",
)


class _Commands(Cli):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"eventindex.cli.{name}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eventindex", prog_name="eventindex")
def main() -> None:
    """Which RAW file holds event E of run R?

    Services are found by --address, by EVENTINDEX_INDEX_ADDRESS and EVENTINDEX_INGEST_ADDRESS, by
    what `eventindex up` wrote to ./.eventindex, or on their usual ports on this machine.
    """
