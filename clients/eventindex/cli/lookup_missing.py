"""Pairs that a lookup did not find: kept in a file, and what the index has of their runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

import numpy as np

from eventindex.cli.event_files.writing import open_text
from eventindex.cli.shared.common import note
from eventindex.client import Client
from eventindex.collection_results import Collection
from eventindex.errors import EventIndexError
from eventindex.pairs import Pairs
from eventindex.printing import printable

# Runs of which is said what the index has of them.
RUNS_EXPLAINED_MAX = 1000
_NAMES_SHOWN = 10
# Other collections in which a run is looked for before it is said to be nowhere.
_COLLECTIONS_ASKED_MAX = 100
_LINES_SHOWN = 5


class Missing:
    """The pairs that were not found: all into a file where there is one, the first ones by run."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        # The first event and the number of them.
        self._runs: dict[int, tuple[int, int]] = {}

    def add(self, pairs: Pairs) -> None:
        """Take pairs that were not found."""
        if not len(pairs.runs):
            return
        if self._out is not None:
            lines = zip(pairs.runs.tolist(), pairs.events.tolist(), strict=True)
            self._out.write("".join(f"{run}:{event}\n" for run, event in lines))
        runs, first, counts = np.unique(pairs.runs, return_index=True, return_counts=True)
        events = pairs.events[first]
        rows = zip(runs.tolist(), events.tolist(), counts.tolist(), strict=True)
        for run, event, count in rows:
            if run not in self._runs and len(self._runs) == RUNS_EXPLAINED_MAX:
                continue
            known, before = self._runs.get(run, (event, 0))
            self._runs[run] = known, before + count

    def explain(self, client: Client, asked: str) -> None:
        """Say which runs are not in the index, which lack events, and what holds them otherwise."""
        # The answer stands without it: a server of before does not tell.
        others: list[Collection] = []
        with suppress(EventIndexError):
            if self._runs:
                others = [one for one in client.collections_of(self._runs) if one.name != asked]
        with suppress(EventIndexError):
            unknown = set(client.unknown_runs(self._runs, collection=asked))
            nowhere = unknown
            for other in others[:_COLLECTIONS_ASKED_MAX]:
                nowhere = nowhere and set(client.unknown_runs(nowhere, collection=other.name))
            self._tell_unknown(sorted(nowhere), "the index")
            self._tell_unknown(sorted(unknown - nowhere), printable(asked))
            self._tell_known(sorted(self._runs.keys() - unknown))
        if others:
            note(f"runs of events that were not found are in {names_of(others)}: see --collection")

    def _tell_unknown(self, runs: Sequence[int], where: str) -> None:
        for run in runs[:_LINES_SHOWN]:
            note(f"run {run} is not in {where}")
        if (more := len(runs) - _LINES_SHOWN) > 0:
            note(f"and {more:,} more runs are not")

    def _tell_known(self, runs: Sequence[int]) -> None:
        for run in runs[:_LINES_SHOWN]:
            event, count = self._runs[run]
            rest = f" and {count - 1:,} more" if count > 1 else ""
            note(f"run {run} has no event {event}{rest}")
        if (more := len(runs) - _LINES_SHOWN) > 0:
            note(f"and {more:,} more runs lack events")


@contextmanager
def missing_file(name: str | None) -> Iterator[Missing]:
    """Open the file for pairs that are not found, which `lookup` reads; none without a name."""
    if name is None:
        yield Missing()
        return
    with open_text(name) as out:
        yield Missing(out)


def names_of(collections: Sequence[Collection]) -> str:
    """Return some names as a text."""
    shown = ", ".join(map(_shown, collections[:_NAMES_SHOWN]))
    more = len(collections) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _shown(collection: Collection) -> str:
    if not collection.detector_id:
        return collection.name
    detector = shlex.quote(printable(collection.detector_id))
    return f"{printable(collection.name)} (--detector {detector})"
