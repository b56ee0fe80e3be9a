"""How many events several collections have in common, by AND on presence planes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from event_store.database.connection import Connection
from event_store.model import Int64
from event_store.pages.format import SLOTS_PER_PAGE, PackedPage
from event_store.select.across import PageKey, slot_plane
from event_store.select.beside import Beside

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
        self._pages = Beside(
            collections, run_first, run_last, pages_per_statement=PAGES_PER_STATEMENT_MAX
        )

    def read(self, connection: Connection) -> list[tuple[int, Int64]]:
        """Return the next runs, ascending, each with a matrix, int64 of shape (n, n).

        A run may come in several parts that follow each other. None at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        taken = self._pages.read(connection)
        keys = sorted({key for pages in taken for key in pages})
        return list(_matrices(keys, taken)) if keys else []


def _matrices(
    keys: Sequence[PageKey], taken: Sequence[Mapping[PageKey, PackedPage]]
) -> Iterator[tuple[int, Int64]]:
    """Yield the matrix of each run."""
    runs = np.array([run for run, _ in keys], np.int64)
    starts = np.flatnonzero(np.diff(runs, prepend=-1)).tolist()
    empty = bytes(_PLANE_BYTES)
    stacks = [
        np.frombuffer(
            b"".join([_plane(pages[key]) if key in pages else empty for key in keys]), np.uint64
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


def _plane(page: PackedPage) -> bytes:
    """Return the slots of a page that hold an event, as bytes of a plane."""
    # Without files, the planes of a dense page are this one.
    if page.slots is None and len(page.file_planes) == _PLANE_BYTES:
        return page.file_planes
    return slot_plane(page).tobytes()
