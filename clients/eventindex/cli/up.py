"""`eventindex up`: the whole system on this machine, where its parts are installed."""

from __future__ import annotations

import click

from eventindex.cli.shared.common import Failure, missing_part


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


def _find() -> click.Command:
    """Return the command of the local stack, or one that says what to install."""
    try:
        from local_stack.command import up_command  # noqa: PLC0415  # not in the light install
    except ModuleNotFoundError as error:
        return _stand_in(missing_part("up", error))
    return up_command


up = _find()
