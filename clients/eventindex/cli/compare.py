"""`eventindex compare`: a list of files and datasets against what the index holds."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eventindex.catalogue_results import FileOfRun
from eventindex.cli.compare_collections import compare_collections, expected_options
from eventindex.cli.compare_differences import (
    Difference,
    Scope,
    by_scope,
    compare_datasets,
    compare_files,
)
from eventindex.cli.load_options import column_names
from eventindex.cli.shared.common import EXIT_NOT_ALL, both_services, counted, note
from eventindex.cli.shared.listing import Column, Layout, format_option, on_terminal, write_list
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.ranges import whole
from eventindex.cli.shared.selection_options import collection_option, number
from eventindex.collection_names import RAW
from eventindex.errors import NotFoundError
from eventindex.limits import COMPRESSIONS, DSID_MAX

if TYPE_CHECKING:
    from eventindex.cli.compare_collections import ExpectedCollection
    from eventindex.cli.event_files.expected import Expected, Fallbacks
    from eventindex.client import Client

_BAD_ROWS_SHOWN = 20
# Differences of one kind that a terminal shows.
_DIFFERENCES_SHOWN = 50


def _check_columns(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, str]:
    from eventindex.cli.event_files.expected import FIELDS

    return column_names(value, FIELDS)


@click.command(short_help="Compare the index with a list, or a collection with another.")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@collection_option
@expected_options
@click.option(
    "--input-format",
    "input_form",
    type=click.Choice(["csv", "json"]),
    help="Default: by the file's name, csv where it does not tell.",
)
@click.option(
    "--columns",
    "names",
    callback=_check_columns,
    metavar="FIELD=COLUMN,...",
    help="What fields are called in the file; other columns are then passed over.",
)
@click.option("--run", type=number, help="This run; of FILE, for entries without.")
@click.option("--dsid", type=whole(0, DSID_MAX), help="Dataset, for entries without.")
@format_option
@both_services
def compare(
    *,
    connect: Callable[[], Client],
    file: str | None,
    collection: str | None,
    wanted: ExpectedCollection,
    input_form: str | None,
    names: dict[str, str],
    run: int | None,
    dsid: int | None,
    form: str,
) -> None:
    """Compare the index with FILE, a list of files or datasets and their numbers of events.

    FILE is CSV with a header, Parquet, Arrow or JSON: fuid_raw and events, where known with
    dsid_raw (or dataset, its name) and run_number; without fuid_raw it is a whole dataset. Prints
    what is missing from the index, what is extra in the listed runs and datasets, and what differs.

    `compare --expected raw --collection aod.v2` says which events of raw aod.v2 lacks, and which it
    has beyond them, by run or by file. BIT is one of the expected collection's olt_result.

    Exit code: 0 all is as expected, 3 there are differences, 1 failure, 2 bad usage.
    """
    from eventindex.cli.event_files.expected import Fallbacks

    of_list = {"--input-format": input_form, "--columns": names, "--dsid": dsid}
    if wanted.name is not None and file is None:
        _refuse(of_list, "FILE")
        compare_collections(
            connect,
            wanted,
            expected=wanted.name,
            collection=collection or RAW,
            run=run,
            form=form,
        )
        return
    if file is None or wanted.name is not None:
        raise click.UsageError("give FILE or --expected NAME")
    _refuse(wanted.options, "--expected")
    entries = _read(file, input_form or _form_of(file), Fallbacks(names, dsid, run))
    with connect() as client, ProgressReport("comparing", len(entries)) as progress:
        differences = list(_differences(client, entries, collection or "", progress))
    seen = Counter(difference.difference for difference in differences)
    if form == "table" and on_terminal():
        _show(differences, seen)
    elif form != "table" or differences:
        write_list(differences, _LAYOUT, form)
    files = sum(entry.fuid_raw is not None for entry in entries)
    note(
        f"{counted(files, 'file')} and {counted(len(entries) - files, 'dataset')} compared: "
        f"{seen['missing']:,} missing, {seen['extra']:,} extra, {seen['differing']:,} differing"
    )
    if seen:
        sys.exit(EXIT_NOT_ALL)


def _refuse(options: Mapping[str, object], other: str) -> None:
    """Refuse options that have no meaning without another."""
    for name, value in options.items():
        if value not in (None, False, (), {}):
            raise click.UsageError(f"{name} goes with {other}")


def _read(path: str, form: str, fallbacks: Fallbacks) -> list[Expected]:
    """Return the entries of a list. One with bad entries is not compared at all."""
    from eventindex.cli.event_files.expected import read_expected
    from eventindex.cli.event_files.opening import InputFile, open_file
    from eventindex.cli.event_files.rows import FileFormatError

    bad = 0

    def report(place: int, problem: str) -> None:
        nonlocal bad
        bad += 1
        if bad <= _BAD_ROWS_SHOWN:
            unit = "line" if form == "csv" else "entry"
            note(f"eventindex: {path}: {unit} {place}: {problem}")

    with open_file(InputFile(path, form, None)) as opened:
        try:
            entries = read_expected(opened.stream, form, fallbacks, report)
        except FileFormatError as error:
            raise click.UsageError(f"{path}: {error}") from error
    if bad:
        raise click.UsageError(
            f"{path}: {bad:,} bad {'entry' if bad == 1 else 'entries'}, nothing was compared"
        )
    if not entries:
        raise click.UsageError(f"{path}: the list is empty")
    return entries


def _differences(
    client: Client, entries: list[Expected], collection: str, progress: ProgressReport
) -> Iterator[Difference]:
    whole = [entry for entry in entries if entry.fuid_raw is None]
    scopes = by_scope(entries)
    asked = whole or any(entry.dataset for entry in entries)
    asked = asked or any(scope.dataset is not None for scope in scopes)
    known = list(client.datasets(collection=collection)) if asked else []
    yield from compare_datasets(whole, known)
    dsids = {dataset.name: dataset.dsid_raw for dataset in known}
    done = len(whole)
    for scope, files in scopes.items():
        found = _files(client, scope, dsids, collection)
        yield from compare_files(files, found, dsids)
        done += len(files)
        progress.at(done, f"{done:,} of {len(entries):,} entries")


def _files(
    client: Client, scope: Scope, dsids: Mapping[str, int], collection: str
) -> Iterator[FileOfRun]:
    """Yield the files that the index has in a scope; none for one that it does not have."""
    try:
        if scope.run_number is not None:
            yield from client.files(run=scope.run_number, collection=collection)
        elif scope.dataset is None and scope.fuid_raw is not None:
            runs = client.get_file(scope.fuid_raw).runs
            yield from (run for run in runs if collection in ("", run.collection))
        else:
            dataset = scope.dataset
            dsid = dsids.get(dataset) if isinstance(dataset, str) else dataset
            if dsid in dsids.values():
                yield from client.files(dataset=dsid)
    except NotFoundError:
        return


def _show(differences: Iterable[Difference], seen: Mapping[str, int]) -> None:
    """Print the first differences of each kind to a terminal."""
    shown: dict[str, list[Difference]] = defaultdict(list)
    for difference in differences:
        kind = shown[difference.difference]
        if len(kind) < _DIFFERENCES_SHOWN:
            kind.append(difference)
    if shown:
        write_list([row for kind in shown.values() for row in kind], _LAYOUT, "table")
    for name, kind in shown.items():
        if seen[name] > len(kind):
            more = seen[name] - len(kind)
            click.echo(f"… and {more:,} more {name} (--format csv prints all)")


def _form_of(path: str) -> str:
    name = Path(path)
    suffix = (Path(name.stem) if name.suffix.lower() in COMPRESSIONS else name).suffix.lower()
    return "json" if suffix == ".json" else "csv"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _dataset(difference: Difference) -> str:
    return _text(difference.dsid_raw if difference.dataset is None else difference.dataset)


def _record(difference: Difference) -> dict[str, Any]:
    return difference._asdict()


_LAYOUT = Layout(
    columns=(
        Column("difference", lambda d: d.difference),
        Column("RAW file", lambda d: _text(d.fuid_raw)),
        Column("dataset", _dataset),
        Column("run", lambda d: _text(d.run_number), right=True),
        Column("expected", lambda d: _number(d.expected), right=True),
        Column("found", lambda d: _number(d.found), right=True),
    ),
    fields=Difference._fields,
    record=_record,
)
