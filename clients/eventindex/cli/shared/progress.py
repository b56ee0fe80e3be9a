"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere.

Writes to standard error, and passes lines of output on.
"""

from __future__ import annotations

import datetime
import sys
import time
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_PLAIN_LINE_SECONDS = 5.0


class ProgressReport:
    """Shows how far a piece of work is. `total` is in the unit of `advance`, None if unknown."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._started = time.monotonic()
        self._next_line = self._started + _PLAIN_LINE_SECONDS
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True, emoji=False)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[text]}", markup=False),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
                # Otherwise rich sends to the terminal what is printed to a file.
                redirect_stdout=False,
                redirect_stderr=False,
            )
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
        self._console.print(text, markup=False)

    def output(self, text: str) -> None:
        """Print a line of output: above the bar where it is on the same terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self.line(text)
        else:
            click.echo(text)
