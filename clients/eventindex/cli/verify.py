"""`eventindex verify`: the pages counted again, and every difference from the catalogue."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import EXIT_NOT_ALL, connection_options, counted, note
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.selection_options import run_options
from eventindex.printing import printable

if TYPE_CHECKING:
    from eventindex.client import Client


@click.command(short_help="Count all events again, and name what differs.")
@run_options
@connection_options
def verify(
    connect: Callable[[], Client],
    run: int | None,
    runs: tuple[int | None, int | None] | None,
) -> None:
    """Count the events of all pages again, and name what differs from the kept counts.

    Exit code: 0 nothing differs, 3 something does, 1 failure, 2 bad usage.
    """
    checked = events = differing = 0
    bounds = (run, run) if run is not None else runs
    with connect() as client, ProgressReport("verify", None) as progress:
        for check in client.verify(runs=bounds):
            checked += 1
            events += check.events
            differing += bool(check.differences)
            for difference in check.differences:
                progress.output(f"run {check.run_number}: {printable(difference)}")
            progress.at(checked, f"{counted(checked, 'run')}, {counted(events, 'event')}")
    differ = f"{counted(differing, 'run')} that differ{'s' if differing == 1 else ''}"
    note(f"{counted(checked, 'run')}, {counted(events, 'event')}, {differ}")
    if differing:
        sys.exit(EXIT_NOT_ALL)
