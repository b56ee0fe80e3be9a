"""The same done to many things: they are counted, the count is confirmed, and one by one is done.

Never decides what is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from eventindex.cli.shared.common import EXIT_FAILURE, EXIT_NOT_ALL, Failure, counted, note
from eventindex.cli.shared.progress import ProgressReport
from eventindex.errors import InvalidRequestError, NotFoundError

F = TypeVar("F", bound=Callable[..., Any])

_PROBLEMS_SHOWN = 20

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


class Many(NamedTuple):
    """Things to work on, by their ids, and what they are called."""

    ids: Sequence[int]
    noun: str
    verb: str


def confirm(question: str, yes: bool) -> None:
    """Ask before something is done that cannot be taken back.

    Raises:
        click.UsageError: nobody can be asked.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Give --yes to do so.")
    click.confirm(question, abort=True, err=True)


def check_choice(ids: Sequence[int], *, chosen: bool, everything: bool, words: str) -> None:
    """See that things are named by their ids, or chosen, or all are meant; not two of these.

    Raises:
        click.UsageError: they are not.
    """
    if ids and (chosen or everything):
        raise click.UsageError(f"give ids, or {words}, not both")
    if everything and chosen:
        raise click.UsageError(f"--all is without {words}")
    if not (ids or chosen or everything):
        raise click.UsageError(f"give ids, or {words}, or --all")


class Left(NamedTuple):
    """To how many something was not done; `missing` of them are not in the index."""

    undone: int
    missing: int

    def exit(self, many: Many) -> None:
        """End the command where something is left: as failed where nothing was there."""
        if self.undone:
            sys.exit(EXIT_FAILURE if self.missing == len(many.ids) else EXIT_NOT_ALL)


def for_each(many: Many, work: Callable[[int], str]) -> Left:
    """Do the work to each, and return to how many it was not done.

    Args:
        many: what to work on.
        work: does it to one and returns why it was not done, or "".

    Raises:
        Failure: it was interrupted; says how far it came.
    """
    problems = missing = done = 0
    with ProgressReport(many.verb, len(many.ids)) as progress:
        try:
            for number in many.ids:
                problem, is_missing = _attempt(work, number)
                problems += bool(problem)
                missing += is_missing
                if problem and problems <= _PROBLEMS_SHOWN:
                    progress.line(f"eventindex: {number}: {problem}")
                done += 1
                progress.at(done, counted(done, many.noun))
        except KeyboardInterrupt:
            raise Failure(
                f"interrupted after {counted(done, many.noun)} of {len(many.ids):,}; run the "
                "command again to go on"
            ) from None
    if problems > _PROBLEMS_SHOWN:
        note(f"eventindex: and {problems - _PROBLEMS_SHOWN:,} more")
    return Left(problems, missing)


def _attempt(work: Callable[[int], str], number: int) -> tuple[str, bool]:
    """Return why it was not done, "" where it was, and whether there is none of the number."""
    try:
        return work(number), False
    except (NotFoundError, InvalidRequestError) as error:
        # Somebody else was here before, or this one cannot be: the others go on.
        return str(error), isinstance(error, NotFoundError)
