"""Pages as the database sends them: held in the cache, and their pairs answered, some at a time.

Decoded without the lock, while the server reads the next ones. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Generic

import numpy as np

from event_store.lookup.answering import answer_rows
from event_store.lookup.batch import LookupBatch, MissingPages, Pairs, PendingOlt, Reply
from event_store.lookup.block import PageBlock, block_of, unpacked
from event_store.lookup.cache import OFTEN_SLOTS, ROW_BYTES, PageCache
from event_store.lookup.cached_files import FILE_BYTES
from event_store.lookup.decoding import decode_pages
from event_store.model import Int32, Int64
from event_store.pages.copy import FetchedPage
from event_store.pages.format import SLOTS_PER_PAGE

# Pages at a time: a megabyte, or some; with `olt_result` a page is up to 64 KiB larger.
_PAGES_MAX, _PAGES_WITH_OLT_MAX = 256, 64
_NO_GENERATION = -1


class Loading(Generic[Reply]):
    """Takes the rows that one statement reads for a part of a batch."""

    def __init__(
        self,
        cache: PageCache[Reply],
        batch: LookupBatch[Reply],
        part: MissingPages,
        locked: Callable[[], AbstractContextManager[None]],
        pages_a_row: int,
    ) -> None:
        """Take rows for the pages of `part`; the cache is used under `locked`."""
        self._cache = cache
        self._batch = batch
        self._part = part
        self._locked = locked
        self._done = np.zeros(len(part.pages), bool)
        self._evicted: list[int] = []
        self._messages: list[bytes] = []
        most = pages_at_once(cache.bytes_max, with_olt=batch.with_olt)
        self._messages_max = most // pages_a_row

    def take(self, message: bytes) -> None:
        """Take what PostgreSQL sent: a row, or the format's first or last bytes."""
        self._messages.append(message)
        if len(self._messages) >= self._messages_max:
            self._hold_messages()

    def finish(self) -> Pairs:
        """Take the pages without a row as missing, now that all rows have come.

        Returns:
            The places of pages that did not change, but are no longer in the cache; ascending.
        """
        self._hold_messages()
        absent = np.flatnonzero(~self._done)
        for first in range(0, len(absent), _PAGES_MAX):
            places = absent[first : first + _PAGES_MAX]
            keys = zip(
                self._part.runs[places].tolist(), self._part.pages[places].tolist(), strict=True
            )
            self._hold(block_of([FetchedPage(*key, _NO_GENERATION, None) for key in keys]))
        return np.sort(np.array(self._evicted, np.intp))

    def _hold_messages(self) -> None:
        messages, self._messages = self._messages, []
        arrived = decode_pages(messages)
        for block in arrived.blocks:
            self._hold(block)
        for pages in _loads(arrived.others, self._cache.bytes_max // 2):
            self._hold(block_of(pages))
        if len(arrived.unchanged):
            self._keep(arrived.unchanged)

    def _hold(self, block: PageBlock) -> None:
        places = self._take_places(block.runs, block.pages)
        pairs = int((self._part.cuts[places + 1] - self._part.cuts[places]).sum())
        if block.is_packed and pairs >= OFTEN_SLOTS * len(places):
            block = unpacked(block)
        with self._locked():
            rows = self._cache.put(
                block, self._part.generations[places], with_olt=self._batch.with_olt
            )
            olt = self._answer(places, rows)
        self._batch.answer_olt(olt)

    def _keep(self, unchanged: Int64) -> None:
        """Answer from held pages that are still the same."""
        runs, pages, generations = np.ascontiguousarray(unchanged.T)
        places = self._take_places(runs, pages)
        with self._locked():
            rows = self._cache.find(runs, pages)
            held = self._cache.held(rows, with_olt=self._batch.with_olt)
            held &= self._cache.generation[rows] == generations
            self._cache.stamp[rows[held]] = self._part.generations[places[held]]
            self._cache.found(rows[held])
            olt = self._answer(places[held], rows[held])
        self._batch.answer_olt(olt)
        self._evicted += places[~held].tolist()

    def _take_places(self, runs: Int64, pages: Int64) -> Pairs:
        places = self._part.places(runs, pages)
        self._done[places] = True
        return places

    def _answer(self, places: Pairs, rows: Int32) -> PendingOlt | None:
        pairs, of = self._part.pairs_of(places)
        if not len(pairs):
            return None
        return answer_rows(self._cache, self._batch, pairs, rows, of)


def pages_at_once(cache_bytes_max: int, *, with_olt: bool) -> int:
    """Return how many pages to decode at a time.

    An eighth of the cache or less, so that a small one keeps most of what it has.
    """
    most = _PAGES_WITH_OLT_MAX if with_olt else _PAGES_MAX
    return min(most, max(1, cache_bytes_max // SLOTS_PER_PAGE // 8))


def _loads(pages: Sequence[FetchedPage], bytes_max: int) -> Iterator[Sequence[FetchedPage]]:
    """Cut pages so that each piece takes at most so much of the cache, or is one page."""
    first, size = 0, 0
    for place, page in enumerate(pages):
        cost = _cost(page)
        if place > first and size + cost > bytes_max:
            yield pages[first:place]
            first, size = place, 0
        size += cost
    if pages:
        yield pages[first:]


def _cost(fetched: FetchedPage) -> int:
    """Return an upper bound of the memory that a page takes in the cache, bytes."""
    page = fetched.page
    if page is None:
        return ROW_BYTES
    cells = 0 if page.slots is not None else 2 * SLOTS_PER_PAGE
    return ROW_BYTES + cells + len(page.fuids) * FILE_BYTES + 12 * page.n_events
