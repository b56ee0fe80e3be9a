"""Runs the local stack until Ctrl-C, for `eventindex up`. Never does the work itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from pydantic import ValidationError

from local_stack.errors import StackError, StopRequestedError
from local_stack.stack import Stack, running_stack
from service_kit.settings import Settings


def run_stack(data_dir: Path | None, work: Callable[[Stack], None], *, broker: str = "auto") -> int:
    """Start the stack, run `work` on it until it is stopped, and return the exit code.

    Errors are one message on standard error: 2 for settings that are not valid, 1 for a failure,
    0 for a stop by a signal.
    """
    try:
        settings = Settings.model_validate({})
    except ValidationError as error:
        for problem in error.errors():
            name = "".join(f"EVENTINDEX_{str(part).upper()}: " for part in problem["loc"][:1])
            click.echo(f"eventindex: {name}{problem['msg']}", err=True)
        return 2
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    try:
        with running_stack(settings, say, broker=broker) as stack:
            work(stack)
    except StopRequestedError:
        return 0
    except StackError as error:
        click.echo(f"eventindex: {error}", err=True)
        return 1
    return 0


def serve_until_stopped(stack: Stack) -> None:
    """Print the addresses and wait."""
    say_ready(stack)
    say("Ctrl-C stops everything.")
    stack.wait()


def say_ready(stack: Stack) -> None:
    """Print the addresses."""
    say("EventIndex is ready.")
    for line in stack.endpoints.lines():
        say(line)


def say(line: str) -> None:
    """Print a line at once; a reader or a terminal that went away is no failure."""
    try:
        click.echo(line)
    except OSError:
        sys.stdout = None  # nobody reads any more
