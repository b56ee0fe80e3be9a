"""`eventindex lookup`: a list of pairs in, their RAW files out, in flat memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import click

from eventindex.cli.common import (
    EXIT_NOT_ALL,
    EXIT_USAGE,
    connection_options,
    counted,
    note,
    open_input,
)
from eventindex.cli.lookup_output import make_writer
from eventindex.cli.selection_options import runs_file_option
from eventindex.client import Client
from eventindex.pair_text import BadLine, read_pairs
from eventindex.pairs import Pairs
from eventindex.run_lists import RunList

_BAD_LINES_SHOWN = 20


@click.command()
@click.argument("pairs", nargs=-1, metavar="[FILE | - | RUN EVENT]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "files"]),
    default="table",
    show_default=True,
    help="What to print; files groups the events by RAW file.",
)
@click.option("--olt", is_flag=True, help="Print the online filter's bits too.")
@runs_file_option
@click.option("--quiet", is_flag=True, help="No summary on standard error.")
@connection_options
def lookup(
    *,
    connect: Callable[[], Client],
    pairs: tuple[str, ...],
    form: str,
    olt: bool,
    run_list: RunList | None,
    quiet: bool,
) -> None:
    """Find the RAW files of events.

    FILE, or standard input, has a pair on each line: "run event", "run,event", "run:event" or
    "run/event". A header, blank lines and # comments are skipped. Two numbers on the command line
    are one pair.

    Exit code: 0 all were found, 3 some were not, 1 failure, 2 bad usage or lines that are no
    pairs; the other lines are answered first.
    """
    with open_pairs(pairs) as stream, connect() as client:
        source = _Source(stream, run_list)
        results = client.lookup_stream(source.batches(), with_olt_result=olt)
        writer = make_writer(form, sys.stdout, olt)
        found = missing = 0
        for result in results:
            writer.write(result)
            found += result.found
            missing += result.not_found
            sys.stdout.flush()
        writer.close()
    source.report()
    if source.left_out and not quiet:
        note(f"{counted(source.left_out, 'pair')} left out: their runs are not in --runs-file")
    if not quiet:
        note(f"{counted(found + missing, 'pair')}: {found:,} found, {missing:,} not found")
    if source.bad_count:
        sys.exit(EXIT_USAGE)
    if missing:
        sys.exit(EXIT_NOT_ALL)


class _Source:
    """Batches of pairs from a stream; keeps the first lines that are none."""

    def __init__(self, stream: BinaryIO, run_list: RunList | None) -> None:
        self._stream = stream
        self._run_list = run_list
        self.left_out = 0
        self._bad: list[BadLine] = []
        self.bad_count = 0

    def batches(self) -> Iterator[Pairs]:
        """Yield the batches; runs in the client's thread."""
        for block in read_pairs(self._stream):
            self.bad_count += len(block.bad_lines)
            room = _BAD_LINES_SHOWN - len(self._bad)
            self._bad += block.bad_lines[:room]
            pairs = block.pairs
            if self._run_list is not None:
                good = self._run_list.mask(pairs.runs)
                self.left_out += int((~good).sum())
                pairs = Pairs(pairs.runs[good], pairs.events[good])
            if len(pairs.runs):
                yield pairs

    def report(self) -> None:
        """Print the lines that were no pairs."""
        for line in self._bad:
            note(f"eventindex: {line}")
        if self.bad_count > len(self._bad):
            note(f"eventindex: and {self.bad_count - len(self._bad):,} more such lines")


def open_pairs(arguments: tuple[str, ...]) -> AbstractContextManager[BinaryIO]:
    """Open the list that the arguments of a command stand for."""
    if len(arguments) == 2 and all(text.isascii() and text.isdigit() for text in arguments):
        return BytesIO(" ".join(arguments).encode() + b"\n")
    if len(arguments) > 1:
        raise click.UsageError("give one FILE, or a run number and an event number")
    if arguments and arguments[0].isdigit() and not Path(arguments[0]).exists():
        raise click.UsageError(f"there is no file {arguments[0]} (for one event give RUN EVENT)")
    if not arguments and sys.stdin.isatty():
        note("Reading pairs from the terminal; end with Ctrl-D.")
    return open_input(arguments[0] if arguments else "-")
