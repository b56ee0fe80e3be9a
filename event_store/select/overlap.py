"""How many events several collections have in common, by AND on presence planes.

The pages of each collection are read in the order of (run, page), side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from event_store.database.connection import Connection
from event_store.model import Int64, UInt8
from event_store.pages.copy import ScannedPage
from event_store.pages.format import SLOTS_PER_PAGE
from event_store.select.across import PageKey, slot_plane
from event_store.select.scan import Scan
from event_store.select.selection import Selection

_PLANE_BYTES = SLOTS_PER_PAGE // 8
# Of presence planes: 1 MB of each collection.
PAGES_PER_STATEMENT_MAX = 1024


class Overlap:
    """The n by n matrix of events in both of two collections, for all runs or by run.

    Args:
        collections: the numbers of n collections.
        run_first, run_last: which runs, inclusive.
    """

    def __init__(self, collections: Sequence[int], run_first: int, run_last: int) -> None:
        self._sides = [_Side(Selection(run_first, run_last, collection=c)) for c in collections]

    def read(self, connection: Connection) -> list[tuple[int, Int64]]:
        """Return the next runs, ascending, each with a matrix, int64 of shape (n, n).

        A run may come in several parts that follow each other. None at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        for side in self._sides:
            side.fill(connection)
        ends = [side.end for side in self._sides if side.end is not None]
        # What lies behind the shortest reach may still be missing of others.
        reach = min(ends) if ends else None
        taken = [side.take(reach) for side in self._sides]
        keys = sorted({key for pages in taken for key in pages})
        return list(_matrices(keys, taken)) if keys else []


class _Side:
    """The pages of one collection that were read and not yet taken."""

    def __init__(self, selection: Selection) -> None:
        self._scan = Scan(selection, pages_per_statement=PAGES_PER_STATEMENT_MAX)
        self._pages: deque[ScannedPage] = deque()
        self._done = False

    @property
    def end(self) -> PageKey | None:
        """Return the last page that is here; None when there are no more behind them."""
        if self._done:
            return None
        last = self._pages[-1]
        return last.run_number, last.page_no

    def fill(self, connection: Connection) -> None:
        """Read the next pages where none is left."""
        if not self._pages and not self._done:
            found = self._scan.read(connection)
            self._pages.extend(found)
            self._done = not found

    def take(self, reach: PageKey | None) -> dict[PageKey, UInt8]:
        """Return the slots of the pages up to `reach` (None: of all) that hold an event."""
        taken = {}
        while self._pages:
            run, page_no, page = self._pages[0]
            if reach is not None and (run, page_no) > reach:
                break
            self._pages.popleft()
            taken[run, page_no] = slot_plane(page)
        return taken


def _matrices(
    keys: Sequence[PageKey], taken: Sequence[dict[PageKey, UInt8]]
) -> Iterator[tuple[int, Int64]]:
    """Yield the matrix of each run."""
    runs = np.array([run for run, _ in keys], np.int64)
    starts = np.flatnonzero(np.diff(runs, prepend=-1)).tolist()
    empty = bytes(_PLANE_BYTES)
    stacks = [
        np.frombuffer(
            b"".join([pages[key].tobytes() if key in pages else empty for key in keys]), np.uint64
        ).reshape(len(keys), -1)
        for pages in taken
    ]
    both = np.zeros((len(taken), len(taken), len(keys)), np.int64)
    for i, stack in enumerate(stacks):
        for j in range(i, len(stacks)):
            common = stack & stacks[j] if i != j else stack
            both[i, j] = both[j, i] = np.bitwise_count(common).sum(axis=1, dtype=np.int64)
    sums = np.add.reduceat(both, starts, axis=2)
    for place, start in enumerate(starts):
        yield int(runs[start]), sums[:, :, place]
