"""`eventindex load`: event files into the index through the ingest service."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

import click

from eventindex.cli.common import EXIT_NOT_ALL, connection_options, note, open_input
from eventindex.cli.event_files import (
    Defaults,
    EventBlock,
    FileFormatError,
    RecordBlock,
    read_csv,
    read_json_lines,
    read_records,
)
from eventindex.cli.progress import ProgressReport
from eventindex.client import Client
from eventindex.columns import DSID_MAX, is_canonical_uuid
from eventindex.results import Ack

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".dat": "dat"}
_REFUSALS_SHOWN = 20

B = TypeVar("B", EventBlock, RecordBlock)


@dataclass(slots=True)
class _Totals:
    """What became of the events of all files."""

    inserted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    shown: int = 0

    def add(self, ack: Ack) -> None:
        self.inserted += ack.inserted
        self.duplicates += ack.duplicates
        self.conflicts += ack.conflicts

    def events(self) -> int:
        return self.inserted + self.duplicates + self.conflicts + self.refused

    def text(self) -> str:
        return (
            f"{self.inserted:,} inserted, {self.duplicates:,} duplicates, "
            f"{self.conflicts:,} conflicts, {self.refused:,} refused"
        )


@dataclass(slots=True)
class _Load:
    """One file on its way."""

    path: str
    stream: BinaryIO
    totals: _Totals
    # Rows that were refused here and wait to be printed; filled by the client's thread.
    refused_rows: deque[tuple[int, str]] = field(default_factory=deque)
    lines_in_flight: deque[list[int]] = field(default_factory=deque)
    bytes_read: int = 0

    def report(self, line: int, problem: str) -> None:
        self.refused_rows.append((line, problem))

    def remember(self, blocks: Iterator[B]) -> Iterator[B]:
        """Pass blocks on and keep their line numbers until they are acknowledged."""
        for block in blocks:
            self.lines_in_flight.append(block.lines)
            self.bytes_read = self.stream.tell() if self.stream.seekable() else 0
            yield block

    def acknowledge(self, ack: Ack, progress: ProgressReport) -> None:
        lines = self.lines_in_flight.popleft()
        self.totals.add(ack)
        self.refused_rows.extend((lines[r.index], r.reason) for r in ack.rejections)
        # A server may count more refusals than it names.
        self.totals.refused += ack.rejected - len(ack.rejections)
        self.show_refused(progress)
        progress.at(self.bytes_read, f"{self.totals.events():,} events")

    def show_refused(self, progress: ProgressReport) -> None:
        while self.refused_rows:
            line, problem = self.refused_rows.popleft()
            self.totals.refused += 1
            self.totals.shown += 1
            if self.totals.shown <= _REFUSALS_SHOWN:
                progress.line(f"eventindex: {self.path}: line {line}: {problem}")
            elif self.totals.shown == _REFUSALS_SHOWN + 1:
                progress.line("eventindex: further refused rows are only counted")


def _check_fuid(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_canonical_uuid(value):
        raise click.BadParameter(f"{value!r} is not a UUID")
    return value


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "dat"]),
    help="Default: by the file's name. dat: telescope events as the detectors write them.",
)
@click.option("--fuid", callback=_check_fuid, help="RAW file of all events, for files without.")
@click.option(
    "--fuid-per-run", is_flag=True, help="Make up a RAW file for each run, for files without."
)
@click.option(
    "--dsid", type=click.IntRange(0, DSID_MAX), help="Dataset of all events, for files without."
)
@click.option("--detector", default="", help="Detector of telescope events that name none.")
@connection_options
def load(
    *,
    connect: Callable[[], Client],
    files: tuple[str, ...],
    form: str | None,
    fuid: str | None,
    fuid_per_run: bool,
    dsid: int | None,
    detector: str,
) -> None:
    """Store the events of FILEs in the index.

    CSV has a header with run_number, event_number, dsid_raw, fuid_raw and, if wanted,
    olt_result; JSON lines (.jsonl) have an object with these fields on each line; .dat files are
    telescope events as the detectors write them. Loading a file twice is harmless.

    Exit code: 0 all were stored or known, 3 some were refused, 1 failure, 2 bad usage.
    """
    if fuid and fuid_per_run:
        raise click.UsageError("--fuid and --fuid-per-run exclude each other")
    defaults = Defaults(fuid, fuid_per_run, dsid)
    forms = [form or _format_of(path) for path in files]
    totals = _Totals()
    with connect() as client:
        for path, file_form in zip(files, forms, strict=True):
            try:
                _load_file(
                    client, path, file_form, defaults=defaults, detector=detector, totals=totals
                )
            except FileFormatError as error:
                raise click.UsageError(f"{path}: {error}") from error
    note(totals.text())
    if totals.refused:
        sys.exit(EXIT_NOT_ALL)


def _load_file(
    client: Client, path: str, form: str, *, defaults: Defaults, detector: str, totals: _Totals
) -> None:
    total = None if path == "-" else Path(path).stat().st_size
    with open_input(path) as stream, ProgressReport(path, total) as progress:
        work = _Load(path, stream, totals)
        if form == "dat":
            records = (block.records for block in work.remember(read_records(stream)))
            acks = client.ingest_cosmic(records, detector_id=detector)
        else:
            read = read_csv if form == "csv" else read_json_lines
            blocks = work.remember(read(stream, defaults, work.report))
            acks = client.ingest(block.columns for block in blocks)
        for ack in acks:
            work.acknowledge(ack, progress)
        work.show_refused(progress)


def _format_of(path: str) -> str:
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise click.UsageError(f"{path}: give --format: the name does not tell")
    return form
