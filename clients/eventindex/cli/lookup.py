"""`eventindex lookup`: a list of pairs in, their RAW files out, in flat memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import numpy as np

from eventindex import collection_names
from eventindex.cli.lookup_collections import CollectionsWriter, Missing, collections_of
from eventindex.cli.lookup_output import FORMS, NAMED_FORMS, make_writer
from eventindex.cli.shared.common import (
    EXIT_NOT_ALL,
    EXIT_USAGE,
    connection_options,
    counted,
    note,
    open_input,
)
from eventindex.cli.shared.selection_options import runs_file_option
from eventindex.client import Client
from eventindex.collection_names import ALL, RAW
from eventindex.lookup_messages import pairs_max, slices
from eventindex.pair_lists.text import BadLine, Columns, PairListError, parse_columns, read_pairs
from eventindex.pairs import Pairs
from eventindex.run_lists import RunList

_BAD_LINES_SHOWN = 20


def _parse_columns(_: click.Context, __: click.Parameter, value: str | None) -> Columns | None:
    try:
        return None if value is None else parse_columns(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("pairs", nargs=-1, metavar="[FILE | - | RUN EVENT]")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="table",
    show_default=True,
    help="What to print. files: the addresses of the RAW files where they are known, else their "
    "events by file. entrylist: file, run and event a line, for a TEntryList. condor: JSON, a file "
    "a line, for HTCondor. ranges: run:event-run:event, as CRAB takes them.",
)
@click.option("--names", is_flag=True, help="Print names and addresses of the files too.")
@click.option(
    "--columns",
    callback=_parse_columns,
    metavar="run,-,event",
    help="What the columns of FILE are; - is passed over.",
)
@click.option(
    "--collection",
    default=RAW,
    show_default=True,
    metavar="NAME,...|all",
    help="Collections to look in; all: those that hold any of the runs. See `collections`.",
)
@click.option("--detector", metavar="ID", help="Look in this telescope's collection.")
@click.option("--olt", is_flag=True, help="Print the online filter's bits too.")
@runs_file_option
@click.option("--quiet", is_flag=True, help="No summary on standard error.")
@connection_options
def lookup(
    *,
    connect: Callable[[], Client],
    pairs: tuple[str, ...],
    form: str,
    names: bool,
    columns: Columns | None,
    collection: str,
    detector: str | None,
    olt: bool,
    run_list: RunList | None,
    quiet: bool,
) -> None:
    """Find the RAW files of events.

    FILE, or standard input, has a pair on each line: "run event", "run,event", "run:event" or
    "run/event". Blank lines and # comments are skipped. A header names the two columns of a wider
    table, in CSV (comma, semicolon or tab), JSON lines, Parquet and Arrow; --columns does without
    a header. Compression (.gz, .zst) and encoding (UTF-8, UTF-16) are recognised. Two numbers on
    the command line are one pair.

    Exit code: 0 all were found, 3 some were not, 1 failure, 2 bad usage or lines that are no
    pairs; the other lines are answered first.
    """
    collections = asked_names(collection, detector)
    several = len(collections) > 1 or collections == [ALL]
    if several and (olt or names or form in {"files", *NAMED_FORMS}):
        raise click.UsageError("--olt, --names and formats of files are for one collection")
    with open_pairs(pairs) as stream, connect() as client:
        source = _Source(stream, columns, run_list)
        if several:
            found, missing = _look_in_several(client, source, collections, form)
        else:
            output = _Output(form, collections[0], with_olt=olt, with_names=names)
            found, missing = _look_in_one(client, source, output)
    source.report()
    if source.left_out and not quiet:
        note(f"{counted(source.left_out, 'pair')} left out: their runs are not in --runs-file")
    if not quiet:
        note(f"{counted(found + missing, 'pair')}: {found:,} found, {missing:,} not found")
    if not source.complete:
        sys.exit(EXIT_USAGE)
    if missing:
        sys.exit(EXIT_NOT_ALL)


def asked_names(collection: str, detector: str | None) -> list[str]:
    """Return the names of the collections to look in, each once: a telescope's has any characters.

    Raises:
        click.UsageError: both are given, or as `distinct_names`.
    """
    if detector is None:
        return distinct_names(collection)
    if collection != RAW:
        raise click.UsageError("--detector excludes --collection")
    return [collection_names.chosen_name(RAW, detector)]


def distinct_names(collection: str) -> list[str]:
    """Return the names of an option, each once.

    Raises:
        click.UsageError: none, or the same twice.
    """
    try:
        return collection_names.distinct_names([name.strip() for name in collection.split(",")])
    except ValueError as error:
        raise click.UsageError(f"--collection: {error}") from error


class _Output(NamedTuple):
    """What is asked of one collection, and how it is printed."""

    form: str
    collection: str
    with_olt: bool
    with_names: bool


def _look_in_one(client: Client, source: _Source, output: _Output) -> tuple[int, int]:
    with_names = output.with_names or output.form in NAMED_FORMS
    results = client.lookup_stream(
        (part for batch in source.batches() for part in slices(batch, pairs_max(with_names))),
        with_olt_result=output.with_olt,
        collection=output.collection,
        with_file_names=with_names,
    )
    writer = make_writer(
        output.form, sys.stdout, with_olt=output.with_olt, with_names=output.with_names
    )
    found, missing = 0, Missing()
    not_found = 0
    for result in results:
        writer.write(result)
        found += result.found
        not_found += result.not_found
        missing.add(result)
        sys.stdout.flush()
    writer.close()
    missing.explain(client, output.collection)
    return found, not_found


def _look_in_several(
    client: Client, source: _Source, names: list[str], form: str
) -> tuple[int, int]:
    """Look pairs up in collections; a pair counts as found where one of them has it."""
    batches: Iterable[Pairs] = source.batches()
    if names == [ALL]:
        # Which columns there are is known at the end of the list.
        batches = list(batches)
        names = collections_of(client, batches)
    writer = CollectionsWriter(form, sys.stdout, names)
    found = missing = 0
    for batch in batches:
        for pairs in slices(batch):
            results = [client.lookup(pairs, collection=name) for name in names]
            writer.write(pairs, results)
            anywhere = np.logical_or.reduce([result.file_indexes > 0 for result in results])
            found += int(anywhere.sum())
            missing += int((~anywhere).sum())
        sys.stdout.flush()
    writer.close()
    return found, missing


class _Source:
    """Batches of pairs from a stream; keeps the first lines that are none."""

    def __init__(
        self, stream: BinaryIO, columns: Columns | None, run_list: RunList | None = None
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._run_list = run_list
        self.left_out = 0
        self._bad: list[BadLine] = []
        self._trouble = ""
        self.bad_count = 0

    @property
    def complete(self) -> bool:
        """Return whether the whole list was pairs."""
        return not self.bad_count and not self._trouble

    def batches(self) -> Iterator[Pairs]:
        """Yield the batches; runs in the client's thread. What was read before damage counts."""
        try:
            for block in read_pairs(self._stream, self._columns):
                self.bad_count += len(block.bad_lines)
                room = _BAD_LINES_SHOWN - len(self._bad)
                self._bad += block.bad_lines[:room]
                pairs = self._of_the_runs(block.pairs)
                if len(pairs.runs):
                    yield pairs
        except PairListError as error:
            self._trouble = str(error)

    def _of_the_runs(self, pairs: Pairs) -> Pairs:
        if self._run_list is None:
            return pairs
        good = self._run_list.mask(pairs.runs)
        self.left_out += int((~good).sum())
        return Pairs(pairs.runs[good], pairs.events[good])

    def report(self) -> None:
        """Print the lines that were no pairs, and why the list was not read to its end."""
        for line in self._bad:
            note(f"eventindex: {line}")
        if self.bad_count > len(self._bad):
            note(f"eventindex: and {self.bad_count - len(self._bad):,} more such lines")
        if any(line.field == "columns" for line in self._bad):
            note("eventindex: say which columns are the run and the event: --columns run,-,event")
        if self._trouble:
            name = getattr(self._stream, "name", None)
            note(f"eventindex: {name if isinstance(name, str) else 'the list'}: {self._trouble}")


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
