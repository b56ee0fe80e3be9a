"""Events that two datasets hold: of two collections by AND on planes, within one from conflicts.

Within a collection an event has one home, so that what a second dataset offered of it is a
conflict. An event counts for each two of the datasets that it was stored or offered with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from event_store.database.connection import Connection
from event_store.model import Int64
from event_store.pages.format import SLOT_BITS, PackedPage, index_plane_rows, values_at
from event_store.select.across import slot_plane
from event_store.select.beside import Beside

PAGES_PER_STATEMENT_MAX = 128
EVENTS_PER_STATEMENT_MAX = 10_000


class Pair(NamedTuple):
    """Two datasets, each with the number of its collection."""

    collection: int
    dsid: int
    other_collection: int
    other_dsid: int


class Shared(NamedTuple):
    """Events of one run, ascending, that the two datasets of a pair have."""

    pair: Pair
    run_number: int
    events: Int64


class BetweenCollections:
    """What each two of some collections share, read piece by piece.

    Args:
        collections: their numbers; the first of a pair is the one that comes first.
        run_first, run_last: which runs, inclusive.
    """

    def __init__(self, collections: Sequence[int], run_first: int, run_last: int) -> None:
        self._collections = collections
        self._pages = Beside(
            collections,
            run_first,
            run_last,
            pages_per_statement=PAGES_PER_STATEMENT_MAX,
            with_files=True,
        )

    def read(self, connection: Connection) -> list[Shared] | None:
        """Return what is shared in the next pages; None at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        taken = self._pages.read(connection)
        if not any(taken):
            return None
        found = []
        for (i, one), (j, other) in combinations(enumerate(taken), 2):
            numbers = self._collections[i], self._collections[j]
            for key in sorted(one.keys() & other.keys()):
                run, page_no = key
                for dsid, other_dsid, slots in _of_pages(one[key], other[key]):
                    pair = Pair(numbers[0], dsid, numbers[1], other_dsid)
                    found.append(Shared(pair, run, (page_no << SLOT_BITS) + slots))
        return found


class WithinCollection:
    """What the datasets of one collection share, read piece by piece from its conflicts."""

    def __init__(self, collection: int, run_first: int, run_last: int) -> None:
        self._collection, self._run_last = collection, run_last
        self._after = (run_first, -1)

    def read(self, connection: Connection) -> list[Shared] | None:
        """Return what is shared among the next events; None at the end.

        Raises:
            StoreUnavailableError: the database did not answer.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT k.run_number, k.event_number, c.stored_dsid_raw, c.offered_dsid_raw FROM ("
                "SELECT DISTINCT run_number, event_number FROM event_conflict "
                "WHERE (run_number, collection_id, event_number) > (%(run)s, %(of)s, %(event)s) "
                "AND run_number <= %(last)s AND collection_id = %(of)s "
                "ORDER BY run_number, event_number LIMIT %(limit)s) k "
                "JOIN event_conflict c ON c.run_number = k.run_number "
                "AND c.collection_id = %(of)s AND c.event_number = k.event_number "
                "ORDER BY k.run_number, k.event_number",
                {
                    "run": self._after[0],
                    "event": self._after[1],
                    "last": self._run_last,
                    "of": self._collection,
                    "limit": EVENTS_PER_STATEMENT_MAX,
                },
            )
            rows = cursor.fetchall()
        if not rows:
            return None
        self._after = rows[-1][:2]
        return list(of_conflicts(self._collection, rows))


def of_conflicts(collection: int, rows: Iterable[tuple[int, int, int, int]]) -> Iterator[Shared]:
    """Yield what datasets share by rows of (run, event, stored dataset, offered dataset). Pure."""
    dsids: dict[tuple[int, int], set[int]] = defaultdict(set)
    for run, event, stored, offered in rows:
        dsids[run, event].update((stored, offered))
    events: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for (run, event), found in dsids.items():
        for one, other in combinations(sorted(found), 2):
            events[run, one, other].append(event)
    for (run, one, other), numbers in events.items():
        yield Shared(Pair(collection, one, collection, other), run, np.array(numbers, np.int64))


def _of_pages(one: PackedPage, other: PackedPage) -> Iterator[tuple[int, int, Int64]]:
    """Yield each two datasets of two pages and the slots that they share."""
    both = slot_plane(one) & slot_plane(other)
    slots = np.flatnonzero(np.unpackbits(both, bitorder="little"))
    if not len(slots):
        return
    pairs = _dsids(one, slots) << 32 | _dsids(other, slots)
    for pair in np.unique(pairs).tolist():
        yield pair >> 32, pair & 0xFFFFFFFF, slots[pairs == pair].astype(np.int64)


def _dsids(page: PackedPage, slots: npt.NDArray[np.intp]) -> Int64:
    """Return the datasets of events in some slots, int64 of their shape."""
    if (page.dsids == page.dsids[0]).all():
        return np.full(len(slots), page.dsids[0], np.int64)
    at = slots if page.slots is None else np.searchsorted(page.slots, slots)
    index = values_at(index_plane_rows(page), at).astype(np.intp)
    return page.dsids[index].astype(np.int64)
