"""`eventindex lookup`: a list of pairs in, their RAW files out, in flat memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import click

from eventindex import collection_names
from eventindex.cli.lookup_forms import FORMS, NAMED_FORMS, PLAIN_FORMS, output_form
from eventindex.cli.shared.common import (
    EXIT_NOT_ALL,
    EXIT_USAGE,
    connection_options,
    counted,
    note,
)
from eventindex.cli.shared.selection_options import runs_file_option
from eventindex.collection_names import ALL, RAW

if TYPE_CHECKING:
    from eventindex.cli.lookup_input import Source
    from eventindex.cli.lookup_missing import Missing
    from eventindex.client import Client
    from eventindex.pair_lists.text import Columns
    from eventindex.pairs import Pairs
    from eventindex.run_lists import RunList


def _parse_columns(_: click.Context, __: click.Parameter, value: str | None) -> Columns | None:
    from eventindex.pair_lists.text import parse_columns

    try:
        return None if value is None else parse_columns(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("pairs", nargs=-1, metavar="[FILE | - | RUN:EVENT...]")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="What to print; default: what the name of -o ends in, else a table. files: the addresses "
    "of the RAW files where they are known, else their events by file. entrylist: file, run and "
    "event a line, for a TEntryList. condor: JSON, a file a line, for HTCondor. ranges: "
    "run:event-run:event, as CRAB takes them.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="File to write: .csv, .json, .jsonl (.gz, .zst), .parquet, or any with --format.",
)
@click.option(
    "--missing",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the pairs that were not found to this file, RUN:EVENT on each line.",
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
    form: str | None,
    output: str | None,
    missing: str | None,
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
    a header. Compression (.gz, .zst) and encoding (UTF-8, UTF-16) are recognised. Events
    on the command line are RUN:EVENT, any number of them, or one RUN EVENT.

    Exit code: 0 all were found, 3 some were not, 1 failure, 2 bad usage or lines that are no
    pairs; the other lines are answered first.
    """
    from eventindex.cli.lookup_input import Source, open_pairs
    from eventindex.cli.lookup_missing import missing_file

    collections = asked_names(collection, detector)
    several = len(collections) > 1 or collections == [ALL]
    form = output_form(output, form)
    if several and (olt or names or form not in PLAIN_FORMS):
        raise click.UsageError("--olt, --names and other formats are for one collection")
    target = _Output(form, output, olt, names)
    with open_pairs(pairs) as stream, connect() as client, missing_file(missing) as lacking:
        source = Source(stream, columns, run_list)
        if several:
            outcome = _look_in_several(client, source, collections, target, lacking)
        else:
            outcome = _look_in_one(client, source, collections[0], target, lacking)
        source.report()
        if not quiet:
            _summarize(source, outcome)
            if not several:
                lacking.explain(client, collections[0])
    if not source.complete:
        sys.exit(EXIT_USAGE)
    if outcome.missing:
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


def _summarize(source: Source, outcome: _Outcome) -> None:
    if source.left_out:
        note(f"{counted(source.left_out, 'pair')} left out: their runs are not in --runs-file")
    found, missing = outcome
    note(
        f"{counted(found + missing, 'pair')}: {found:,} found, {missing:,} not found"
        f"{source.summary()}"
    )


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
    """What is asked, where the answer goes, and in which form."""

    form: str
    file: str | None
    with_olt: bool
    with_names: bool


class _Outcome(NamedTuple):
    """How many pairs were found, and how many not."""

    found: int
    missing: int


def _look_in_one(
    client: Client, source: Source, collection: str, output: _Output, missing: Missing
) -> _Outcome:
    from eventindex.cli.lookup_output import open_writer
    from eventindex.lookup_messages import pairs_max, slices
    from eventindex.pairs import Pairs

    with_names = output.with_names or output.form in NAMED_FORMS
    results = client.lookup_stream(
        (part for batch in source.batches() for part in slices(batch, pairs_max(with_names))),
        with_olt_result=output.with_olt,
        collection=collection,
        with_file_names=with_names,
    )
    found = not_found = 0
    with open_writer(
        output.file, output.form, with_olt=output.with_olt, with_names=output.with_names
    ) as writer:
        for result in results:
            writer.write(result)
            found += result.found
            not_found += result.not_found
            places = result.missing()
            missing.add(Pairs(result.run_numbers[places], result.event_numbers[places]))
            sys.stdout.flush()
    return _Outcome(found, not_found)


def _look_in_several(
    client: Client, source: Source, names: list[str], output: _Output, missing: Missing
) -> _Outcome:
    """Look pairs up in collections; a pair counts as found where one of them has it."""
    import numpy as np

    from eventindex.cli.event_files.writing import open_text
    from eventindex.cli.lookup_collections import CollectionsWriter, collections_of
    from eventindex.lookup_messages import slices
    from eventindex.pairs import Pairs

    batches: Iterable[Pairs] = source.batches()
    if names == [ALL]:
        # Which columns there are is known at the end of the list.
        batches = list(batches)
        names = collections_of(client, batches)
    found = not_found = 0
    with open_text(output.file or "-") as out:
        writer = CollectionsWriter(output.form, out, names)
        for batch in batches:
            for pairs in slices(batch):
                results = [client.lookup(pairs, collection=name) for name in names]
                writer.write(pairs, results)
                nowhere = np.logical_and.reduce([result.file_indexes == 0 for result in results])
                missing.add(Pairs(pairs.runs[nowhere], pairs.events[nowhere]))
                not_found += int(nowhere.sum())
                found += int((~nowhere).sum())
            sys.stdout.flush()
        writer.close()
    return _Outcome(found, not_found)
