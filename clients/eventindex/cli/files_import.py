"""`eventindex files import`: names, sizes and checksums of files from another catalogue."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from eventindex.admin_results import FileInfo, NotedFiles
from eventindex.cli.shared.common import (
    EXIT_NOT_ALL,
    connection_options,
    counted,
    note,
    open_input,
)
from eventindex.cli.shared.progress import ProgressReport
from eventindex.file_catalogues.reading import BadLine, CatalogueError, read_infos

if TYPE_CHECKING:
    from eventindex.client import Client

_SHOWN = 20


@click.command("import")
@click.argument("source", metavar="FILE | -")
@click.option(
    "--replace", is_flag=True, help="Put other values in the place of those noted before."
)
@click.option("--by", metavar="NAME", help="Who replaces, for the record; default: who you are.")
@click.option("--dry-run", is_flag=True, help="Read everything, note nothing.")
@connection_options
def import_files(
    *,
    connect: Callable[[], Client],
    source: str,
    replace: bool,
    by: str | None,
    dry_run: bool,
) -> None:
    """Note names, sizes and checksums of the files in FILE.

    FILE is a table of `rucio list-files`, also its --csv, the metadata that DIRAC has of LFNs, as
    a table or JSON, a CSV or JSON file, JSON lines, or a plain list of a file id and a name a line.
    Columns are found by their names: guid or fuid; name, lfn or scope:name; size or bytes;
    checksum, adler32 or md5.

    What is noted of a file stays: another value is refused, and named, unless --replace is given,
    which is recorded. Importing twice is harmless.

    Exit code: 0 all are noted, 3 some rows or values were refused, 1 failure, 2 bad usage.
    """
    seen = _Seen()
    totals = _Totals()
    try:
        with open_input(source) as stream, io.TextIOWrapper(stream, encoding="utf-8") as text:
            infos = seen.good(read_infos(text))
            if dry_run:
                totals.read = sum(1 for _ in infos)
            else:
                with connect() as client, ProgressReport("noting", None) as progress:
                    who = by or getpass.getuser() if replace else ""
                    for noted in client.note_files(infos, replace=replace, replaced_by=who):
                        totals.add(noted)
                        progress.at(totals.done, f"{totals.done:,} files")
    except CatalogueError as error:
        raise click.UsageError(f"{source}: {error}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{source}: it is not UTF-8") from error
    totals.show()
    seen.show(source)
    if dry_run:
        note(f"dry run: {counted(totals.read, 'file')}, nothing noted")
    else:
        note(
            f"{totals.noted:,} noted, {totals.unchanged:,} unchanged, {totals.replaced:,} "
            f"replaced, {totals.refused:,} refused"
        )
    if seen.bad or totals.refused:
        sys.exit(EXIT_NOT_ALL)


class _Seen:
    """Keeps the first rows that say nothing of a file."""

    def __init__(self) -> None:
        self.bad = 0
        self._first: list[BadLine] = []

    def good(self, rows: Iterator[FileInfo | BadLine]) -> Iterator[FileInfo]:
        """Yield the other rows."""
        for row in rows:
            if isinstance(row, FileInfo):
                yield row
                continue
            self.bad += 1
            if len(self._first) < _SHOWN:
                self._first.append(row)

    def show(self, source: str) -> None:
        """Name them."""
        for line in self._first:
            note(f"eventindex: {source}: row {line.number}: {line.problem}")
        if self.bad > len(self._first):
            note(f"eventindex: and {self.bad - len(self._first):,} more such rows")


class _Totals:
    """What became of the files."""

    def __init__(self) -> None:
        self.read = self.noted = self.unchanged = self.replaced = self.refused = 0
        self._first: list[tuple[FileInfo, FileInfo]] = []

    @property
    def done(self) -> int:
        """Return how many files were dealt with."""
        return self.noted + self.unchanged + self.replaced + self.refused

    def add(self, noted: NotedFiles) -> None:
        """Count the files of a call."""
        self.noted += noted.noted
        self.unchanged += noted.unchanged
        self.replaced += noted.replaced
        self.refused += len(noted.refused)
        self._first += noted.refused[: _SHOWN - len(self._first)]

    def show(self) -> None:
        """Name the first that were refused."""
        for offered, stays in self._first:
            note(
                f"eventindex: {offered.fuid_raw}: {_text(offered)} is refused: {_text(stays)} stays"
            )
        if self.refused > len(self._first):
            note(f"eventindex: and {self.refused - len(self._first):,} more such files")


def _text(info: FileInfo) -> str:
    parts = [info.name, f"{info.bytes:,} bytes" if info.bytes else "", info.checksum]
    return ", ".join(part for part in parts if part)
