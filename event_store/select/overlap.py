"""How many events several collections have in common, by AND on presence planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from event_store.database.connection import Connection, copy_rows
from event_store.model import Int64
from event_store.pages.copy import scan_columns_sql
from event_store.pages.presence import (
    PRESENCE_COLUMNS,
    Presence,
    count_bits,
    decode_presence,
    joined,
)
from event_store.select.selection import Selection
from event_store.select.walk import Walk

# Of presence planes: 1 MB of each collection.
PAGES_PER_STATEMENT_MAX = 1024


class Overlap:
    """The n by n matrix of events in both of two collections, for all runs or by run.

    Args:
        collections: the numbers of n collections.
        run_first, run_last: which runs, inclusive.
    """

    def __init__(self, collections: Sequence[int], run_first: int, run_last: int) -> None:
        self._sides = [
            _Side(Selection(run_first, run_last, collection=number)) for number in collections
        ]

    def read(self, connection: Connection) -> list[tuple[int, Int64]]:
        """Return the next runs, ascending, each with a matrix, int64 of shape (n, n).

        A run may come in several parts that follow each other. None at the end.

        Raises:
            CorruptPageError: a page contradicts itself.
            StoreUnavailableError: the database did not answer.
        """
        for side in self._sides:
            side.fill(connection)
        ends = [side.end for side in self._sides if side.end is not None]
        # What lies behind the shortest reach may still be missing of others.
        reach = min(ends) if ends else None
        return list(_matrices([side.take(reach) for side in self._sides]))


class _Side:
    """The pages of one collection that were read and not yet taken."""

    def __init__(self, selection: Selection) -> None:
        self._walk = Walk(selection, None, PAGES_PER_STATEMENT_MAX)
        self._pages = decode_presence([])
        self._done = False

    @property
    def end(self) -> tuple[int, int] | None:
        """Return the last page that is here; None when there are no more behind them."""
        return None if self._done else self._pages.last

    def fill(self, connection: Connection) -> None:
        """Read the next pages where none is left."""
        while not len(self._pages.runs) and not self._done:
            wanted = self._walk.next(connection)
            if wanted is None:
                self._done = True
                return
            messages: list[bytes] = []
            with connection.cursor() as cursor:
                copy_rows(cursor, scan_columns_sql(wanted, PRESENCE_COLUMNS), messages.append)
            self._pages = decode_presence(messages)
            self._walk.came(len(self._pages.runs), self._pages.last)

    def take(self, reach: tuple[int, int] | None) -> Presence:
        """Return the pages up to `reach` (None: all)."""
        taken, self._pages = self._pages.cut(reach)
        return taken


def _matrices(sides: Sequence[Presence]) -> Iterator[tuple[int, Int64]]:
    """Yield the matrix of each run."""
    runs = np.unique(np.concatenate([side.runs for side in sides]))
    both = np.zeros((len(runs), len(sides), len(sides)), np.int64)
    for i, one in enumerate(sides):
        np.add.at(both[:, i, i], np.searchsorted(runs, one.runs), one.n_events)
        for j, other in enumerate(sides[:i]):
            found, common = joined(one, other)
            np.add.at(both[:, i, j], np.searchsorted(runs, found), count_bits(common))
            both[:, j, i] = both[:, i, j]
    yield from zip(runs.tolist(), both, strict=True)
