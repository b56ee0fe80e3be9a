"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere.

Writes to standard error, and passes lines of output on.
"""

from __future__ import annotations

import datetime
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

_PLAIN_LINE_SECONDS = 5.0


class ProgressReport:
    """Shows how far a piece of work is. `total` is in the unit of `advance`, None if unknown."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._started = time.monotonic()
        self._next_line = self._started + _PLAIN_LINE_SECONDS
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            self._bar = _make_bar()
            self._task = self._bar.add_task(title, total=total, text="")

    def __enter__(self) -> ProgressReport:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def at(self, done: int, text: str) -> None:
        """Say that so much is done, and what it amounts to in words."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _PLAIN_LINE_SECONDS
            share = f" {100 * done // self._total}%" if self._total else ""
            self.line(f"{self._title}:{share} {text}{self._left(done)}")

    def _left(self, done: int) -> str:
        """Return the time left as words, nothing while it cannot be told."""
        if not self._total or not 0 < done <= self._total:
            return ""
        seconds = (time.monotonic() - self._started) * (self._total - done) / done
        return f", {datetime.timedelta(seconds=round(seconds))} left"

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False)
        else:
            click.echo(text, err=True)

    def output(self, text: str) -> None:
        """Print a line of output: above the bar where it is on the same terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self.line(text)
        else:
            click.echo(text)


def _make_bar() -> Progress:
    """Return a bar on standard error. Rich takes longer to import than a short answer takes."""
    from rich import progress  # few need it, and it takes its time
    from rich.console import Console  # few need it, and it takes its time

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[text]}", markup=False),
        progress.TimeRemainingColumn(),
        console=Console(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False),
        transient=True,
        # Otherwise rich sends to the terminal what is printed to a file.
        redirect_stdout=False,
        redirect_stderr=False,
    )
