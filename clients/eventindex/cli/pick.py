"""`eventindex pick`: the events of a list, out of the ROOT files that hold them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

import eventindex
from eventindex.cli.load_options import column_names
from eventindex.cli.shared.common import EXIT_NOT_ALL, Failure, connection_options, note
from eventindex.cli.shared.listing import Column, Layout, record_of, write_list
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.ranges import decimal, whole
from eventindex.collection_names import RAW
from eventindex.limits import FILES_TOGETHER, STORAGE_SECONDS_MAX

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.pairs import Int64, Pairs
    from eventindex.root_files.pick_report import FileOutcome, PickReport

_SHOWN = 20
_COLUMNS: list[Column[FileOutcome]] = [
    Column("file", lambda row: Path(row.address).name or row.fuid_raw, fold=True),
    Column("wanted", lambda row: f"{row.wanted:,}", right=True),
    Column("entries", lambda row: f"{row.picked:,}", right=True),
    Column("missing", lambda row: f"{len(row.missing):,}", right=True),
    Column("problem", lambda row: row.problem, fold=True),
]


def _columns(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, str]:
    return column_names(value, ("run", "event"))


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(part.strip() for part in value.split(","))


@click.command(short_help="Copy events out of ROOT files.")
@click.argument("pairs", nargs=-1, metavar="[LIST | - | RUN:EVENT...]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write: ROOT, or Parquet by its ending; a directory with --per-file.",
)
@click.option(
    "--files",
    "places",
    multiple=True,
    metavar="PLACE",
    help="Where the files may be: a directory, pattern, path or address. May be repeated. What is "
    "not there is opened at the address that the index has of it.",
)
@click.option("--branches", callback=_names, metavar="NAME,...", help="These, or patterns of them.")
@click.option("--tree", metavar="NAME", help="Tree, where several hold events.")
@click.option(
    "--columns",
    callback=_columns,
    metavar="FIELD=BRANCH,...",
    help="The branches of run and event, where they have other names.",
)
@click.option(
    "--collection",
    default=RAW,
    show_default=True,
    metavar="NAME",
    help="The collection whose files are read; see `collections`.",
)
@click.option(
    "--order",
    type=click.Choice(["list", "file"]),
    default="list",
    show_default=True,
    help="Events as in LIST, or as in the files.",
)
@click.option("--per-file", is_flag=True, help="Write a file for each input file.")
@click.option(
    "--skip-unwritable", is_flag=True, help="Branches that cannot be written are no failure."
)
@click.option(
    "--together",
    type=whole(1, 64),
    default=FILES_TOGETHER,
    show_default=True,
    help="Input files that are read at a time.",
)
@click.option(
    "--work-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where files that are done are kept until all are; default: beside the output.",
)
@click.option(
    "--storage-timeout",
    type=decimal(0, above=True),
    default=STORAGE_SECONDS_MAX,
    show_default=True,
    help="Longest wait for an answer of remote storage, seconds.",
)
@connection_options
def pick(
    *,
    connect: Callable[[], Client],
    pairs: tuple[str, ...],
    output: Path,
    places: tuple[str, ...],
    branches: tuple[str, ...] | None,
    tree: str | None,
    columns: dict[str, str],
    collection: str,
    order: str,
    per_file: bool,
    skip_unwritable: bool,
    together: int,
    work_dir: Path | None,
    storage_timeout: float,
) -> None:
    """Copy the events of LIST out of the ROOT files that hold them.

    LIST is what `lookup` reads. The index says which file holds each event, and where that is where
    it knows names and EVENTINDEX_FILE_URL; below --files the files are known by the UUIDs that ROOT
    wrote into them. After an interruption pick again: files that are done are not read again.

    Exit code: 0 all were picked, 3 some events, files or branches were not, 1 failure, 2 bad usage.
    """
    from eventindex.root_files.opening import require_uproot

    _check_output(output, places, per_file=per_file)
    try:
        require_uproot()
    except ModuleNotFoundError as error:
        raise Failure(str(error)) from error
    wanted = _read_list(pairs)
    with connect() as client, ProgressReport("picking", None) as progress:
        try:
            report = eventindex.pick(
                client,
                wanted,
                output,
                files=places,
                branches=branches,
                tree=tree,
                columns=columns,
                collection=collection,
                order="file" if order == "file" else "list",
                per_file=per_file,
                files_together=together,
                storage_seconds_max=storage_timeout,
                work=work_dir,
                progress=lambda done, total, what: progress.at(done, f"{what}, {done} of {total}"),
            )
        except ModuleNotFoundError as error:
            raise Failure(str(error)) from error
    _show(report, output)
    if not report.complete or (report.left_out and not skip_unwritable):
        sys.exit(EXIT_NOT_ALL)


def _check_output(output: Path, places: tuple[str, ...], *, per_file: bool) -> None:
    from eventindex.root_files.output import is_parquet

    if per_file and output.exists() and not output.is_dir():
        raise click.UsageError(f"--per-file writes into a directory, and {output} is a file")
    if not per_file and output.is_dir():
        raise click.UsageError(f"{output} is a directory: give a file, or --per-file")
    if not per_file and output.suffix.lower() != ".root" and not is_parquet(output):
        raise click.UsageError(f"{output} is neither .root nor .parquet")
    for place in places:
        path = Path(place)
        inside = per_file and path.is_dir() and path.resolve() == output.resolve()
        if inside or (path.is_file() and output.exists() and path.samefile(output)):
            raise click.UsageError(f"{output} would be written over what --files names")


def _read_list(arguments: tuple[str, ...]) -> Pairs:
    """Return the pairs of a list.

    Raises:
        click.UsageError: a line that is no pair, or an empty list.
    """
    import numpy as np

    from eventindex.cli.lookup_input import open_pairs
    from eventindex.pair_lists.text import read_pairs
    from eventindex.pairs import Pairs

    blocks = []
    with open_pairs(arguments) as stream:
        for block in read_pairs(stream):
            if block.bad_lines:
                raise click.UsageError(str(block.bad_lines[0]))
            blocks.append(block.pairs)
    found = Pairs(
        np.concatenate([b.runs for b in blocks] or [np.empty(0, np.int64)]),
        np.concatenate([b.events for b in blocks] or [np.empty(0, np.int64)]),
    )
    if not len(found.runs):
        raise click.UsageError("the list has no pairs")
    return found


def _show(report: PickReport, output: Path) -> None:
    from eventindex.root_files.pick_report import FileOutcome

    write_list(report.files, Layout(_COLUMNS, FileOutcome._fields, record_of), "table")
    for path, problem in report.unreadable[:_SHOWN]:
        note(f"eventindex: {path}: {problem}")
    if len(report.unreadable) > _SHOWN:
        note(f"eventindex: and {len(report.unreadable) - _SHOWN:,} more that cannot be read")
    _show_events("not in the index", report, report.not_found)
    for file in report.files:
        _show_events(f"not in {file.address}", report, file.missing)
    if report.left_out:
        note(f"eventindex: left out, cannot be written: {', '.join(report.left_out)}")
    where = f" in {output}" if report.picked else ", nothing was written"
    note(f"{report.picked:,} {'entry' if report.picked == 1 else 'entries'}{where}")


def _show_events(what: str, report: PickReport, places: Int64) -> None:
    runs, events = report.pairs
    for at in places[:_SHOWN].tolist():
        note(f"eventindex: run {runs[at]} event {events[at]}: {what}")
    if len(places) > _SHOWN:
        note(f"eventindex: and {len(places) - _SHOWN:,} more {what}")
