"""Lookup results as what jobs read: a text for a TEntryList, items for HTCondor, ranges of events.

Writes to a stream; asks nothing. Holds all pairs that were found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TextIO

import numpy as np

from eventindex.pairs import Int64
from eventindex.results import LookupResult
from eventindex.values import RawFile


def address_of(file: RawFile) -> str:
    """Return what a job is told of a file: its address, else its name, else its id."""
    return file.url or file.name or file.fuid_raw


class _ByFile:
    """Keeps the pairs of each file, in the order in which the files come."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._parts: dict[RawFile, list[tuple[Int64, Int64]]] = defaultdict(list)

    def write(self, result: LookupResult) -> None:
        """Keep the pairs of a result."""
        for file, places in result.by_file().items():
            self._parts[file].append((result.run_numbers[places], result.event_numbers[places]))

    def pairs(self, file: RawFile) -> list[tuple[int, int]]:
        """Return the pairs of a file, each once, ascending."""
        parts = self._parts[file]
        runs = np.concatenate([part[0] for part in parts])
        events = np.concatenate([part[1] for part in parts])
        distinct = np.unique(np.stack([runs, events], axis=1), axis=0)
        return [(run, event) for run, event in distinct.tolist()]


class EntryListWriter(_ByFile):
    """A line an event: the file's address, run, event, tab between them; a comment on top."""

    def close(self) -> None:
        """Write the lines, file by file."""
        self._out.write("# file\trun\tevent\n")
        for file in self._parts:
            address = address_of(file)
            self._out.write(
                "".join(f"{address}\t{run}\t{event}\n" for run, event in self.pairs(file))
            )


class CondorWriter(_ByFile):
    """A JSON object a line, a file each: an item of `queue item from`."""

    def close(self) -> None:
        """Write the objects."""
        for file in self._parts:
            item = {
                "file": address_of(file),
                "fuid_raw": file.fuid_raw,
                "dsid_raw": file.dsid_raw,
                "name": file.name,
                "url": file.url,
                "bytes": file.bytes,
                "events": [f"{run}:{event}" for run, event in self.pairs(file)],
            }
            self._out.write(json.dumps(item) + "\n")


class RangesWriter:
    """Ranges `run:first-run:last` of events that follow each other, ascending, one a line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._runs: list[Int64] = []
        self._events: list[Int64] = []

    def write(self, result: LookupResult) -> None:
        """Keep the pairs that were found."""
        found = result.file_indexes > 0
        self._runs.append(result.run_numbers[found])
        self._events.append(result.event_numbers[found])

    def close(self) -> None:
        """Write the ranges."""
        if not self._runs:
            return
        runs, events = np.concatenate(self._runs), np.concatenate(self._events)
        order = np.lexsort((events, runs))
        runs, events = runs[order], events[order]
        if not len(runs):
            return
        # A repeat goes on with the range too.
        new = (runs[1:] != runs[:-1]) | (events[1:] - events[:-1] > 1)
        starts = np.concatenate([[0], np.flatnonzero(new) + 1])
        ends = np.append(starts[1:], len(runs)) - 1
        lines = [
            f"{run}:{first}-{run}:{last}\n"
            for run, first, last in zip(
                runs[starts].tolist(), events[starts].tolist(), events[ends].tolist(), strict=True
            )
        ]
        self._out.write("".join(lines))
