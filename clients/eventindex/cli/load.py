"""`eventindex load`: event files into the index through the ingest service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from eventindex.cli.load_background import in_background
from eventindex.cli.load_options import (
    check_columns,
    check_delimiter,
    check_files,
    check_fuid,
    check_root_options,
    open_rejects,
    patterns,
    wanted,
)
from eventindex.cli.shared.common import EXIT_NOT_ALL, Failure, connection_options, note
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.ranges import decimal, whole
from eventindex.collection_names import RAW
from eventindex.limits import DSID_MAX, NUMBER_MAX, STORAGE_SECONDS_MAX
from eventindex.root_files.errors import RootFileError

if TYPE_CHECKING:
    from eventindex.cli.event_files.opening import InputFile, OpenFile
    from eventindex.cli.event_files.rows import Defaults, EventBlock, RecordBlock
    from eventindex.cli.load_root import RootInputs
    from eventindex.cli.load_target import FileLoad, Target, Totals
    from eventindex.client import Client

B = TypeVar("B", "EventBlock", "RecordBlock")


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet", "dat", "root"]),
    help="Default: by the file's name. dat: telescope events as the detectors write them.",
)
@click.option(
    "--columns",
    "names",
    callback=check_columns,
    metavar="FIELD=COLUMN,...",
    help="What fields are called in the files; other columns are then passed over.",
)
@click.option("--ignore-extra", is_flag=True, help="Pass over columns that are not fields.")
@click.option(
    "--delimiter",
    callback=check_delimiter,
    metavar="CHARACTER",
    help="What separates the columns of CSV, or tab; default: , ; or tab, by the header.",
)
@click.option("--run", type=whole(0, NUMBER_MAX), help="Run, for files without.")
@click.option("--dsid", type=whole(0, DSID_MAX), help="Dataset of all events, for files without.")
@click.option("--fuid", callback=check_fuid, help="RAW file of all events, for files without.")
@click.option(
    "--fuid-per-run", is_flag=True, help="Make up a RAW file for each run, for files without."
)
@click.option(
    "--collection",
    default=RAW,
    show_default=True,
    metavar="NAME",
    help="Collection of all events; see `collections create`.",
)
@click.option("--detector", default="", help="Detector of telescope events that name none.")
@click.option("--tree", metavar="NAME", help="Tree of ROOT files, where several hold events.")
@click.option(
    "--criteria",
    callback=patterns,
    metavar="BRANCH,...",
    help="Trigger decisions of ROOT files: boolean branches or patterns, bit 0 first.",
)
@click.option(
    "--storage-timeout",
    "storage_seconds_max",
    type=decimal(0, above=True),
    default=STORAGE_SECONDS_MAX,
    show_default=True,
    help="Longest wait for an answer of remote storage, seconds.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option(
    "--reject-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write refused rows there: JSON lines with file, line, reason, row.",
)
@connection_options
def load(
    *,
    connect: Callable[[], Client],
    files: tuple[str, ...],
    form: str | None,
    names: dict[str, str],
    ignore_extra: bool,
    delimiter: str | None,
    run: int | None,
    dsid: int | None,
    fuid: str | None,
    fuid_per_run: bool,
    collection: str,
    detector: str,
    tree: str | None,
    criteria: tuple[str, ...],
    storage_seconds_max: float,
    dry_run: bool,
    reject_file: Path | None,
) -> None:
    """Store the events of FILEs in the index.

    A FILE is CSV, JSON lines (.jsonl), Parquet or telescope events (.dat), plain or as .gz or
    .zst; a pattern in quotes ("run*.csv"), or - for standard input with --format. Rows have
    run_number, event_number, dsid_raw, fuid_raw and olt_result. Loading a file twice is harmless:
    after an interruption load it again.

    A ROOT file (.root, a root:// address, or a directory of them) holds a tree with a run and an
    event number; its own UUID is fuid_raw, and its name (the path below a directory that is FILE)
    and size are noted. Files that cannot be read are named, the others go on.

    Exit code: 0 all were stored or known, 3 some were refused, 1 failure, 2 bad usage.
    """
    from eventindex.cli.event_files.opening import find_inputs
    from eventindex.cli.event_files.rows import Defaults
    from eventindex.cli.load_dry_run import DryRun
    from eventindex.cli.load_root import RootInputs
    from eventindex.cli.load_target import ServiceTarget, Totals

    if fuid and fuid_per_run:
        raise click.UsageError("--fuid and --fuid-per-run exclude each other")
    inputs = find_inputs(files, form)
    roots = RootInputs(wanted(names, tree, run, criteria), dsid, storage_seconds_max, files)
    check_root_options(inputs, names, fuid is not None or fuid_per_run, roots.wanted)
    defaults = Defaults(fuid, fuid_per_run, dsid, run, names, ignore_extra, delimiter)
    if collection != RAW and any(file.form == "dat" for file in inputs):
        raise click.UsageError("--collection is not for telescope events")
    check_files(inputs, defaults)
    totals = Totals()
    with ExitStack() as stack:
        rejects = stack.enter_context(open_rejects(reject_file, inputs)) if reject_file else None
        target: Target = (
            DryRun(detector)
            if dry_run
            else ServiceTarget(stack.enter_context(connect()), detector, collection)
        )
        inputs = roots.readable(inputs)
        try:
            in_background(_load_files(inputs, target, defaults, totals, rejects, roots=roots))
        except BaseException as error:
            if totals.events() or isinstance(error, KeyboardInterrupt):
                note(f"stopped after {totals.text(dry_run=dry_run)}; load again to go on")
            raise
    note(totals.text(dry_run=dry_run))
    if totals.refused or roots.unreadable:
        sys.exit(EXIT_NOT_ALL)


def _load_files(
    inputs: list[InputFile],
    target: Target,
    defaults: Defaults,
    totals: Totals,
    rejects: TextIO | None,
    *,
    roots: RootInputs,
) -> Generator[None, None, None]:
    """Load all files, and yield after each block that is done with."""
    from eventindex.cli.event_files.rows import FileFormatError
    from eventindex.cli.load_root import FORM as ROOT
    from eventindex.cli.load_target import FileLoad, Refusals

    sizes = [file.size_bytes for file in inputs if file.size_bytes is not None]
    total = sum(sizes) if len(sizes) == len(inputs) else None
    bytes_before = 0
    with ExitStack() as stack:
        progress = stack.enter_context(ProgressReport("loading", total))
        refusals = stack.enter_context(closing(Refusals(totals, progress, rejects)))
        for file in inputs:
            work = FileLoad(file.path, totals, refusals)
            try:
                steps = (
                    _load_root_file(file, target, roots, work)
                    if file.form == ROOT
                    else _load_file(file, target, defaults, work)
                )
                for _ in steps:
                    progress.at(bytes_before + work.bytes_done, totals.rate_text())
                    yield
            except RootFileError as error:
                roots.refuse(file.path, error)
            except FileFormatError as error:
                raise click.UsageError(f"{file.path}: {error}") from error
            except OSError as error:
                raise Failure(f"{file.path}: {error.strerror or error}") from error
            bytes_before += file.size_bytes or 0


def _load_file(
    file: InputFile, target: Target, defaults: Defaults, work: FileLoad
) -> Iterator[None]:
    """Load a file, and yield after each block that is done with."""
    from eventindex.cli.event_files.opening import open_file, read_events, read_telescope_records

    with open_file(file) as opened:
        if file.form == "dat":
            acks = target.records(_remember(read_telescope_records(opened), work, opened))
        else:
            defaults.not_used.clear()
            blocks = read_events(file, opened, defaults, work.report)
            acks = target.events(_remember(blocks, work, opened))
        for ack in acks:
            work.acknowledge(ack)
            yield
    for field in sorted(defaults.not_used):
        work.refusals.tell(f"{file.path}: has {field} itself; the option is for files without")


def _load_root_file(
    file: InputFile, target: Target, roots: RootInputs, work: FileLoad
) -> Iterator[None]:
    """Load a ROOT file, and yield after each block that is done with."""
    from eventindex.cli.load_target import ServiceTarget

    client = target.client if isinstance(target, ServiceTarget) else None
    with roots.open(file, client) as (tree, opened):
        blocks = roots.blocks(tree, opened, work.report)
        for ack in target.events(_remember(blocks, work, opened)):
            work.acknowledge(ack)
            yield


def _remember(blocks: Iterator[B], work: FileLoad, opened: OpenFile) -> Iterator[B]:
    """Pass blocks on, and keep them until they are acknowledged."""
    for block in blocks:
        if len(block):
            work.in_flight.append((block, opened.bytes_read))
            yield block
