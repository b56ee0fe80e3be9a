"""Input files: which ones are meant, what they hold, and their bytes without compression.

The edge to the file system of `load`. Compression is told by the first bytes, the format by the
name.
"""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import click

from eventindex.cli.event_files.rows import Defaults, EventBlock, RecordBlock, Report
from eventindex.cli.event_files.text import check_header, read_csv, read_json_lines, read_records
from eventindex.cli.shared.common import Failure, open_input
from eventindex.limits import COMPRESSIONS, STORAGE_SECONDS_MAX
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.names import files_of_address, files_of_directory
from eventindex.root_files.opening import is_address
from eventindex.stored_text import damage_as, has_pyarrow, needs_pyarrow, open_codec

FORMATS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".dat": "dat",
    ".root": "root",
}
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read, "-" for standard input, its format, and its size where it has one."""

    path: str
    form: str
    size_bytes: int | None


@dataclass(slots=True)
class OpenFile:
    """A file that is being read.

    Attributes:
        stream: its bytes, decompressed.
        bytes_read: how far it was read, in bytes of the file, for the progress.
    """

    stream: BinaryIO
    _source: BinaryIO
    _size_bytes: int
    _fraction: float | None = field(default=None)

    @property
    def bytes_read(self) -> int:
        """Return how far the file was read, bytes of the file as it is stored."""
        if self._fraction is not None:
            return int(self._fraction * self._size_bytes)
        return self._source.tell() if self._source.seekable() else 0

    def at(self, fraction: float) -> None:
        """Say how far the file was read, 0 to 1, where its position does not tell."""
        self._fraction = fraction


def find_inputs(arguments: Sequence[str], form: str | None) -> list[InputFile]:
    """Return the files that names and patterns stand for, in order.

    Raises:
        click.UsageError: a file that does not exist, a pattern that meets nothing, or a name that
            does not tell its format.
    """
    found = []
    for argument in arguments:
        for path in _expand(argument, form):
            size = None if path == "-" or is_address(path) else Path(path).stat().st_size
            found.append(InputFile(path, form or format_of(path), size))
    if sum(file.path == "-" for file in found) > 1:
        raise click.UsageError("standard input (-) can be read once")
    return found


def format_of(path: str) -> str:
    """Return the format that a name stands for, with or without .gz and .zst.

    Raises:
        click.UsageError: it does not tell.
    """
    name = Path(path)
    suffix = (Path(name.stem) if name.suffix.lower() in COMPRESSIONS else name).suffix.lower()
    if suffix not in FORMATS:
        raise click.UsageError(f"{path}: give --format: the name does not tell")
    return FORMATS[suffix]


@contextmanager
def open_file(file: InputFile) -> Iterator[OpenFile]:
    """Open a file and undo its compression.

    Raises:
        click.UsageError: the file cannot be opened.
        Failure: the compression needs a package that is not installed.
    """
    with open_input(file.path) as source:
        peeking = source if hasattr(source, "peek") else BufferedReader(source)  # type: ignore[type-var]
        stream = _decompressed(file.path, peeking)
        if file.form == "parquet" and (stream is not source or not source.seekable()):
            # Parquet is read from its end: what cannot seek goes to the disk first.
            with tempfile.TemporaryFile() as copy:
                shutil.copyfileobj(stream, copy, _BUFFER_BYTES)
                copy.seek(0)
                yield OpenFile(copy, source, file.size_bytes or 0)
            return
        yield OpenFile(stream, source, file.size_bytes or 0)


def read_events(
    file: InputFile, opened: OpenFile, defaults: Defaults, report: Report
) -> Iterator[EventBlock]:
    """Yield the events of a file in the fastest way that is installed.

    Raises:
        FileFormatError: it cannot be read at all, or needs options that are not given.
        OSError: it cannot be read to its end.
        Failure: its format needs a package that is not installed.
    """
    if file.form == "jsonl":
        return read_json_lines(opened.stream, defaults, report)
    if file.form == "parquet":
        if not has_pyarrow():
            raise Failure(needs_pyarrow(f"{file.path}: Parquet"))
        from eventindex.cli.event_files.parquet_in import read_parquet  # may be missing

        return read_parquet(opened.stream, defaults, report, opened.at)
    if not has_pyarrow():
        return read_csv(opened.stream, defaults, report)
    from eventindex.cli.event_files.arrow_csv import read_csv_fast  # may be missing

    return read_csv_fast(opened.stream, defaults, report)


def check_file(file: InputFile, defaults: Defaults) -> None:
    """Check the header of a CSV file, where it can be read twice.

    Raises:
        FileFormatError: it cannot be read at all, or needs options that are not given.
    """
    if file.form != "csv" or file.path == "-" or not Path(file.path).is_file():
        return
    # A damaged file is reported when it is read to its end.
    with suppress(OSError), open_file(file) as opened:
        check_header(opened.stream, defaults)


def read_telescope_records(opened: OpenFile) -> Iterator[RecordBlock]:
    """Yield the telescope records of a file."""
    return read_records(opened.stream)


def _expand(argument: str, form: str | None) -> list[str]:
    if argument == "-":
        if form == "root":
            raise click.UsageError("a ROOT file cannot come from standard input (-)")
        return [argument]
    if is_address(argument):
        return _remote_files(argument)
    if not Path(argument).exists() and glob.has_magic(argument):
        paths = sorted(path for path in glob.glob(argument, recursive=True) if Path(path).is_file())
        if not paths:
            raise click.UsageError(f"no file matches {argument!r}")
        return paths
    if not Path(argument).exists():
        raise click.UsageError(f"{argument}: no such file")
    if Path(argument).is_dir():
        found = files_of_directory(Path(argument))
        if not found:
            raise click.UsageError(f"{argument} is a directory without ROOT files")
        return found
    return [argument]


def _remote_files(address: str) -> list[str]:
    try:
        return files_of_address(address, STORAGE_SECONDS_MAX)
    except RootFileError as error:
        raise click.UsageError(f"{address}: {error}") from error


def _decompressed(path: str, source: Any) -> BinaryIO:
    try:
        codec = open_codec(source, source.peek(4)[:4])
    except ModuleNotFoundError as error:
        raise Failure(needs_pyarrow(f"{path}: zst")) from error
    if codec is None:
        return source  # type: ignore[no-any-return]
    return BufferedReader(_Decompressed(codec), _BUFFER_BYTES)


class _Decompressed(RawIOBase):
    """A stream whose damage is an OSError, whatever its codec raises."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Return whether it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 is the end."""
        with damage_as(OSError):
            piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
