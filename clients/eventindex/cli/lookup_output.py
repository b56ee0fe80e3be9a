"""Lookup results as text or Parquet: table, csv, json, or grouped by file.

Writes to a stream; asks nothing.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import numpy as np

from eventindex.cli.event_files.writing import open_bytes, open_text
from eventindex.cli.lookup_jobs import CondorWriter, EntryListWriter, RangesWriter
from eventindex.cli.shared.common import Failure
from eventindex.pairs import Int64
from eventindex.results import LookupResult
from eventindex.stored_text import has_pyarrow, needs_pyarrow
from eventindex.text_rows import AnswerLines, AnswerObjects, answer_fields
from eventindex.values import DatasetState, RawFile


class Writer(Protocol):
    """Takes results in order."""

    def write(self, result: LookupResult) -> None:
        """Take one result."""

    def close(self) -> None:
        """Write what is left."""


class CsvWriter:
    """One line a pair; the file's columns are empty where the event was not found."""

    def __init__(self, out: TextIO, *, with_olt: bool, with_names: bool) -> None:
        self._out = out
        self._lines = AnswerLines(names=with_names)
        out.write(",".join(answer_fields(olt=with_olt, names=with_names)) + "\n")

    def write(self, result: LookupResult) -> None:
        """Write the lines of a result."""
        self._out.write(self._lines(result).decode())

    def close(self) -> None:
        """Do nothing: all is written."""


class JsonWriter:
    """A JSON array with one object a line; null where the event was not found."""

    def __init__(self, out: TextIO, *, with_names: bool) -> None:
        self._out = out
        self._objects = AnswerObjects(before=",\n", end="", names=with_names)
        self._separator, self._left_out = "[\n", ",\n"

    def write(self, result: LookupResult) -> None:
        """Write the objects of a result."""
        if objects := self._objects(result):
            self._out.write(self._separator + objects.decode().removeprefix(self._left_out))
            self._separator = self._left_out = ""

    def close(self) -> None:
        """Close the array."""
        self._out.write("[]\n" if self._separator else "\n]\n")


class JsonLinesWriter:
    """A JSON object a line; null where the event was not found."""

    def __init__(self, out: TextIO, *, with_names: bool) -> None:
        self._out = out
        self._objects = AnswerObjects(names=with_names)

    def write(self, result: LookupResult) -> None:
        """Write the objects of a result."""
        self._out.write(self._objects(result).decode())

    def close(self) -> None:
        """Do nothing: all is written."""


class TableWriter:
    """Columns for people; their widths are those that the first result needs."""

    def __init__(self, out: TextIO, *, with_olt: bool, with_names: bool) -> None:
        self._out = out
        self._with_names = with_names
        self._with_olt = with_olt
        self._form = ""

    def write(self, result: LookupResult) -> None:
        """Write the lines of a result."""
        if not len(result):
            return
        if not self._form:
            self._form = self._start(result)
        texts = _texts(result, ("not found", ""), lambda f: (f.fuid_raw, f"{f.dsid_raw}{_mark(f)}"))
        rows = [(run, event, *file) for run, event, file in _columns(result, texts)]
        if self._with_olt:
            olt = ["" if i == 0 else f"{bits:#x}" for i, bits in _olt(result)]
            rows = [(*row, bits) for row, bits in zip(rows, olt, strict=True)]
        if self._with_names:
            names = _texts(result, "", lambda f: f.url or f.name)
            rows = [(*row, name) for row, name in zip(rows, names, strict=True)]
        self._out.write("".join((self._form % row).rstrip() + "\n" for row in rows))

    def close(self) -> None:
        """Do nothing: all is written."""

    def _start(self, result: LookupResult) -> str:
        run = max(3, len(str(result.run_numbers.max())))
        event = max(5, len(str(result.event_numbers.max())))
        dataset = max([7, *(len(f"{f.dsid_raw}{_mark(f)}") for f in result.files)])
        form = f"%{run}s  %{event}s  %-36s  %-{dataset}s"
        titles = ["run", "event", "RAW file", "dataset"]
        if self._with_olt:
            form += "  %s"
            titles.append("olt")
        if self._with_names:
            form += "  %s"
            titles.append("name")
        self._out.write((form % tuple(titles)).rstrip() + "\n")
        return form


class FilesWriter:
    """The address of each RAW file, a line each; where one of them is not known, its events too.

    Those by run, and what was not found last. Holds all pairs.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._events: dict[RawFile | None, list[tuple[Int64, Int64]]] = defaultdict(list)

    def write(self, result: LookupResult) -> None:
        """Keep the pairs of a result by file."""
        groups: list[tuple[RawFile | None, Int64]] = [*result.by_file().items()]
        if result.not_found:
            groups.append((None, result.missing()))
        for file, places in groups:
            numbers = result.run_numbers[places], result.event_numbers[places]
            self._events[file].append(numbers)

    def close(self) -> None:
        """Write the files in the order in which they came."""
        missing = self._events.pop(None, None)
        addresses = [file.url for file in self._events if file is not None]
        if addresses and all(addresses):
            self._out.write("".join(f"{url}\n" for url in dict.fromkeys(addresses)))
            return
        for file, parts in self._events.items():
            assert file is not None  # noqa: S101  # None was taken out
            name = f"  {file.url or file.name}" if file.name else ""
            self._write(f"{file.fuid_raw}  dataset {file.dsid_raw}{_mark(file)}{name}", parts)
        if missing:
            self._write("not found", missing)

    def _write(self, title: str, parts: list[tuple[Int64, Int64]]) -> None:
        runs = np.concatenate([part[0] for part in parts])
        events = np.concatenate([part[1] for part in parts])
        self._out.write(f"{title}  {len(runs):,} {'event' if len(runs) == 1 else 'events'}\n")
        order = np.argsort(runs, kind="stable")
        distinct, starts = np.unique(runs[order], return_index=True)
        for run, part in zip(distinct, np.split(events[order], starts[1:]), strict=True):
            words = " ".join(map(str, part.tolist()))
            first = f"  run {run}: "
            lines = textwrap.wrap(words, 79, initial_indent=first, subsequent_indent=" " * 6)
            self._out.write("\n".join(lines) + "\n")


@contextmanager
def open_writer(
    output: str | None, form: str, *, with_olt: bool, with_names: bool
) -> Iterator[Writer]:
    """Open a file, or standard output, to write answers to in one of the forms.

    Raises:
        Failure: the form or the compression needs a package that is not installed.
    """
    if form == "parquet":
        if not has_pyarrow():
            raise Failure(needs_pyarrow(f"{output or 'the answer'}: Parquet"))
        from eventindex.cli.lookup_parquet import ParquetWriter  # may be missing

        with open_bytes(output or "-") as stream:
            writer: Writer = ParquetWriter(stream, with_olt=with_olt, with_names=with_names)
            yield writer
            writer.close()
        return
    with open_text(output or "-") as out:
        writer = _text_writer(form, out, with_olt=with_olt, with_names=with_names)
        yield writer
        writer.close()


def _text_writer(form: str, out: TextIO, *, with_olt: bool, with_names: bool) -> Writer:
    if form == "csv":
        return CsvWriter(out, with_olt=with_olt, with_names=with_names)
    if form == "json":
        return JsonWriter(out, with_names=with_names)
    if form == "jsonl":
        return JsonLinesWriter(out, with_names=with_names)
    if form == "table":
        return TableWriter(out, with_olt=with_olt, with_names=with_names)
    return _OF_FILES[form](out)


_OF_FILES: dict[str, type[FilesWriter | EntryListWriter | CondorWriter | RangesWriter]] = {
    "files": FilesWriter,
    "entrylist": EntryListWriter,
    "condor": CondorWriter,
    "ranges": RangesWriter,
}


def _texts(result: LookupResult, missing: Any, form: Any) -> list[Any]:
    """Return what stands for the file of each pair: one object a file, not one a pair."""
    table = [missing, *(form(file) for file in result.files)]
    return [table[index] for index in result.file_indexes.tolist()]


def _columns(result: LookupResult, texts: list[Any]) -> Any:
    return zip(result.run_numbers.tolist(), result.event_numbers.tolist(), texts, strict=True)


def _olt(result: LookupResult) -> Any:
    bits = result.olt_results
    values = [] if bits is None else bits.tolist()
    return zip(result.file_indexes.tolist(), values, strict=True)


def _mark(file: RawFile) -> str:
    """Return a mark for files that are going away."""
    return " retired" if file.dataset_state == DatasetState.RETIRED else ""
