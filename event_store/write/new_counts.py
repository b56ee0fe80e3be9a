"""What is new in a transaction, by run and by RAW file: collected group by group. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from event_store.arrays import Places, starts
from event_store.model import NUMBER_MAX, Int64
from event_store.pages.merge import BatchFiles


class RunCount(NamedTuple):
    """New events of a run: how many, the first and the last."""

    run_number: int
    events: int
    first: int
    last: int


class FileCount(NamedTuple):
    """New events of a RAW file in a run: how many, the first and the last."""

    run_number: int
    fuid: str
    dsid: int
    events: int
    first: int
    last: int


class NewCounts:
    """Sums over the new events of a transaction; its groups come in ascending order."""

    def __init__(self, table: BatchFiles) -> None:
        """Sum files by their numbers in `table`."""
        self._table = table
        self._runs: dict[int, RunCount] = {}
        self._files: dict[tuple[int, int], tuple[int, int, int]] = {}

    def add(self, runs: Int64, events: Int64, files: Places) -> None:
        """Add new events, ascending by (run, event), and the file of each."""
        heads = starts(runs)
        if not len(heads):
            return
        firsts, lasts = events[heads], events[[*(heads[1:] - 1), len(runs) - 1]]
        numbers, counts = runs[heads], np.diff(heads, append=len(runs))
        for run, count, first, last in zip(
            *(column.tolist() for column in (numbers, counts, firsts, lasts)), strict=True
        ):
            known = self._runs.get(run)
            self._runs[run] = (
                RunCount(run, count, first, last)
                if known is None
                else RunCount(run, known.events + count, known.first, last)
            )
        if len(heads) == 1:
            self._add_files_of_run(int(runs[0]), events, files)
        else:
            self._add_files(numbers, np.repeat(np.arange(len(heads)), counts), events, files)

    def _add_files_of_run(self, run: int, events: Int64, files: Places) -> None:
        size = len(self._table)
        first, last = np.full(size, NUMBER_MAX), np.zeros(size, np.int64)
        # NumPy keeps the last assignment to a repeated index, and the events ascend.
        last[files] = events
        first[files[::-1]] = events[::-1]
        counts = np.bincount(files, minlength=size)
        used = np.flatnonzero(counts)
        columns = (used, counts[used], first[used], last[used])
        for file, *numbers in zip(*(column.tolist() for column in columns), strict=True):
            self._add_file(run, file, *numbers)

    def _add_files(self, numbers: Int64, run_index: Places, events: Int64, files: Places) -> None:
        keys = run_index * len(self._table) + files
        order = np.argsort(keys, kind="stable")
        heads = starts(keys[order])
        ends = np.append(heads[1:] - 1, len(keys) - 1)
        at = order[heads]
        columns = (
            numbers[run_index[at]],
            files[at],
            ends - heads + 1,
            events[at],
            events[order[ends]],
        )
        for row in zip(*(column.tolist() for column in columns), strict=True):
            self._add_file(*row)

    def _add_file(self, run: int, file: int, count: int, first: int, last: int) -> None:
        known = self._files.get((run, file))
        if known is not None:
            count, first = known[0] + count, known[1]
        self._files[run, file] = count, first, last

    def runs(self) -> list[RunCount]:
        """Return the new events of each run, ascending."""
        return list(self._runs.values())

    def files(self) -> Iterator[FileCount]:
        """Yield the new events of each file of each run."""
        fuids, dsids = self._table.arrays()
        ids, datasets = [fuid.hex() for fuid in fuids.tolist()], dsids.tolist()
        for (run, file), numbers in self._files.items():
            yield FileCount(run, ids[file], datasets[file], *numbers)
