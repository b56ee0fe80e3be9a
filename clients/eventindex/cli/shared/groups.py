"""Groups of commands about one thing, which list it when nothing else is said."""

from __future__ import annotations

import click


class ListGroup(click.Group):
    """A group whose `list` may be left out: `datasets --state open` is `datasets list …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in `list` where no command is named."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
