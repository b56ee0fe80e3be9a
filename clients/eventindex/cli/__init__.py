"""The `eventindex` command. Each subcommand is a module beside this one."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from eventindex.cli.shared.common import Cli

# The command `a-b` is the function `a_b` of the module `a_b` beside this one, imported when it is
# asked for. What the list of commands says stands here, so that it imports none of them.
_GROUPS: dict[str, dict[str, str]] = {
    "Ask": {
        "lookup": "Find the RAW files of events.",
        "events": "Write the events of a selection.",
        "counts": "Count the events of a selection.",
        "runs": "List the runs of the index.",
        "files": "RAW files: list, show, parents, children, import, cat.",
        "datasets": "Datasets: list, show, rename, comment, freeze, retire, open, delete.",
        "collections": "Collections: list, create, change, delete.",
        "overlap": "Events that collections have in common.",
        "duplicates": "Datasets that hold the same events.",
        "cosmic": "List the events of cosmic-ray telescopes, or count them.",
        "pick": "Copy events out of ROOT files.",
    },
    "Fill": {
        "load": "Store the events of FILEs in the index.",
        "publish": "Send the events of FILE over MQTT.",
        "generate": "Write pseudo-data to a file.",
        "compare": "Compare the index with a list, or a collection with another.",
    },
    "Look after it": {
        "status": "Where the services are, and what the index holds.",
        "conflicts": "Conflicts: list, show, resolve.",
        "dead-letters": "Refused messages: list, show, replay, discard, export.",
        "criteria": "Criteria of the online filter: list, set, delete.",
        "verify": "Count all events again, and name what differs.",
        "audit": "Who changed what, the newest first.",
        "token": "Access tokens: list, create, revoke.",
        "certs": "Make a CA and certificates for development.",
        "mqtt-users": "Users of Compose's broker, one for each detector: list, add, remove.",
        "psql": "Open psql on the database of the index.",
        "migrate": "Bring the tables of the index up to date.",
        "distribute": "Distribute the tables over a Citus cluster.",
        "up": "Run PostgreSQL, a broker and all services here.",
    },
}
_COMMANDS = {name: words for group in _GROUPS.values() for name, words in group.items()}


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name is answered with one that is like it."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            close = get_close_matches(name, _COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in groups."""
        del ctx
        width = max(map(len, _COMMANDS))
        for title, commands in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{name:<{width}}", words) for name, words in commands.items()]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing them; options as click does."""
        if not incomplete.startswith("-"):
            return [
                CompletionItem(name, help=words)
                for name, words in _COMMANDS.items()
                if name.startswith(incomplete)
            ]
        return super().shell_complete(ctx, incomplete)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eventindex", prog_name="eventindex")
def main() -> None:
    """Which RAW file holds event E of run R?

    Services are found by --address, --profile, EVENTINDEX_INDEX_ADDRESS and
    EVENTINDEX_INGEST_ADDRESS, what `eventindex up` wrote to ./.eventindex, a profile of
    ~/.config/eventindex/config.toml, or on their usual ports here: see `eventindex status`.
    """
