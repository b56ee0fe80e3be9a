"""Events as files: CSV, JSON lines and Parquet, plain or compressed. Holds one block of events.

An edge to the file system; never reads.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

import click

from eventindex.cli.event_files.opening import FORMATS
from eventindex.cli.shared.common import Failure
from eventindex.columns import EventColumns
from eventindex.limits import COMPRESSIONS
from eventindex.selection_results import Events
from eventindex.stored_text import has_pyarrow, needs_pyarrow
from eventindex.text_rows import event_header, event_lines, event_objects

_GZIP_LEVEL = 6


class EventWriter(Protocol):
    """Takes blocks of events, in order."""

    def write(self, block: EventColumns | Events) -> None:
        """Write the events of a block."""
        ...


def output_form(output: str, form: str | None) -> str:
    """Return the format of a file to be written: csv where it has no ending.

    Raises:
        click.UsageError: a format that does not go with the file.
    """
    name = Path(output)
    packed = name.suffix.lower() in COMPRESSIONS
    suffix = (Path(name.stem) if packed else name).suffix.lower()
    found = form or (FORMATS.get(suffix) if suffix else "csv")
    if found is None:
        raise click.UsageError(f"{output}: the name says no format; give --format")
    if found not in {"csv", "jsonl", "parquet"}:
        raise click.UsageError(f"{output}: events are written as csv, jsonl or parquet")
    if found == "parquet" and packed:
        raise click.UsageError(f"{output}: Parquet is compressed inside; leave out {name.suffix}")
    return found


@contextmanager
def open_writer(output: str, form: str, *, names: bool = False) -> Iterator[EventWriter]:
    """Open a file to write events to; "-" is standard output.

    With `names`, CSV and Parquet have columns of what is known of the files.

    Raises:
        Failure: the format or the compression needs a package that is not installed.
    """
    if form == "parquet":
        if not has_pyarrow():
            raise Failure(needs_pyarrow(f"{output}: Parquet"))
        from eventindex.cli.event_files.parquet_out import ParquetEvents  # may be missing

        with open_bytes(output) as stream, ParquetEvents(stream, names=names) as parquet:
            yield parquet
        return
    with open_text(output) as out:
        yield _CsvEvents(out, names=names) if form == "csv" else _JsonEvents(out)


@contextmanager
def open_bytes(output: str) -> Iterator[Any]:
    """Open a file for bytes, compressed as its name says; "-" is standard output."""
    if output == "-":
        yield sys.stdout.buffer
        return
    path = Path(output)
    with ExitStack() as stack:
        file = stack.enter_context(_new_file(path))
        suffix = path.suffix.lower()
        if suffix == ".gz":
            # Without name and time, so that the same seed gives the same bytes.
            packed = gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)
            yield stack.enter_context(packed)
        elif suffix == ".zst":
            if not has_pyarrow():
                raise Failure(needs_pyarrow(f"{output}: zst"))
            import pyarrow as pa  # may be missing

            yield stack.enter_context(pa.CompressedOutputStream(file, "zstd"))
        else:
            yield file


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that has its name only once it is complete; a device or pipe as it is."""
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    part = path.with_name(path.name + ".part")
    try:
        new = part.open("wb")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with new as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def open_text(output: str) -> Iterator[TextIO]:
    """Open a file for text, compressed as its name says; "-" is standard output."""
    if output == "-":
        yield sys.stdout
        return
    with (
        open_bytes(output) as stream,
        TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False) as out,
    ):
        yield out


class _CsvEvents:
    """CSV in the field order of the contract."""

    def __init__(self, out: TextIO, *, names: bool) -> None:
        self._out = out
        self._names = names
        out.write(event_header(names=names))

    def write(self, block: EventColumns | Events) -> None:
        self._out.write(event_lines(block, names=self._names))


class _JsonEvents:
    """An object a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, block: EventColumns | Events) -> None:
        self._out.write(event_objects(block))
