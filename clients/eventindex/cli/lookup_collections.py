"""`eventindex lookup --collection A,B`: the file of each pair in several collections.

One column a collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TextIO

import numpy as np

from eventindex.client import Client
from eventindex.collection_names import RAW
from eventindex.pairs import Pairs
from eventindex.results import LookupResult

_FUID_CHARACTERS = 36
_NOT_FOUND = "not found"


class CollectionsWriter:
    """Writes a line a pair: its RAW file or file in each collection; table, csv or json."""

    def __init__(self, form: str, out: TextIO, names: Sequence[str]) -> None:
        self._form = form
        self._out = out
        self._names = names
        self._separator = "[\n"
        self._line = ""

    def write(self, pairs: Pairs, results: Sequence[LookupResult]) -> None:
        """Write the lines of some pairs."""
        files = [_fuids(result) for result in results]
        rows = zip(pairs.runs.tolist(), pairs.events.tolist(), *files, strict=True)
        if self._form == "json":
            self._write_json(rows)
        elif self._form == "csv":
            self._write_lines(rows, ("run_number", "event_number", *self._names), csv=True)
        else:
            self._write_lines(rows, ("run", "event", *self._names), csv=False)

    def close(self) -> None:
        """Close the array, or write the titles of an empty table."""
        if self._form == "json":
            self._out.write("[]\n" if self._separator == "[\n" else "\n]\n")
        elif not self._line:
            self._write_lines([], ("run_number", "event_number", *self._names), csv=True)

    def _write_lines(
        self, rows: Iterable[tuple[object, ...]], titles: Sequence[str], *, csv: bool
    ) -> None:
        missing = "" if csv else _NOT_FOUND
        lines = [tuple(missing if cell is None else cell for cell in row) for row in rows]
        if not self._line:
            self._line = self._form_of(lines, titles, csv=csv)
            self._out.write((self._line % tuple(titles)).rstrip() + "\n")
        self._out.write("".join((self._line % line).rstrip() + "\n" for line in lines))

    def _form_of(
        self, rows: Sequence[tuple[object, ...]], titles: Sequence[str], *, csv: bool
    ) -> str:
        if csv:
            return ",".join(["%s"] * len(titles))
        run = max([3, *(len(str(row[0])) for row in rows)])
        event = max([5, *(len(str(row[1])) for row in rows)])
        widths = [max(_FUID_CHARACTERS, len(name)) for name in self._names]
        return "  ".join([f"%{run}s", f"%{event}s", *(f"%-{width}s" for width in widths)])

    def _write_json(self, rows: Iterable[tuple[object, ...]]) -> None:
        for run, event, *files in rows:
            found = dict(zip(self._names, files, strict=True))
            record = {"run_number": run, "event_number": event, "files": found}
            self._out.write(self._separator + json.dumps(record))
            self._separator = ",\n"


def collections_of(client: Client, batches: Sequence[Pairs]) -> list[str]:
    """Return the names of the collections that hold any run of some pairs; 'raw' where none."""
    if not batches:
        return [RAW]
    runs = np.unique(np.concatenate([batch.runs for batch in batches]))
    found = client.collections_of(runs.tolist())
    return [one.name for one in found] or [RAW]


def _fuids(result: LookupResult) -> list[str | None]:
    table = [None, *(file.fuid_raw for file in result.files)]
    return [table[index] for index in result.file_indexes.tolist()]
