"""Lookups: pairs in, RAW files out, through a cache that is checked with every batch.

A batch asks the database once for the generations of its runs, after it arrived. Cached pages
that carry that very generation answer; all others go back to the database, which sends only what
changed. So an event that was committed before the batch arrived is found. Never writes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple

import numpy as np

from event_store import catalogue, pagecopy
from event_store.cache import ROW_BYTES, PageCache
from event_store.database import Connection, copy_out
from event_store.errors import StoreUnavailableError
from event_store.filetable import FILE_BYTES, MakeReply
from event_store.lookup_batch import Answer, LookupBatch, MissingPages, Pairs, Reply
from event_store.model import Int32, Int64
from event_store.page import SLOTS_PER_PAGE

# Pages of one run in a query: 256 dense ones are about 5 MB on the wire.
_PAGES_PER_QUERY_MAX = 256
_NOT_HELD = -1
_VERSION_KEY = -1

_GENERATIONS = (
    "SELECT run_number, generation FROM run WHERE run_number = ANY ($1) "
    f"UNION ALL SELECT {_VERSION_KEY}, version FROM dataset_version"
)


class Asked(NamedTuple):
    """A batch of n pairs; the columns are those of `Reader.lookup`."""

    runs: Int64
    events: Int64
    with_olt: bool


class ServerChangedError(StoreUnavailableError):
    """The server behind the connection is another one than when the batch began."""


class Reader(Generic[Reply]):
    """The reading side of the index; any number of threads, each call with its own connection."""

    def __init__(self, cache_bytes_max: int, make_reply: MakeReply[Reply]) -> None:
        """Make a reader with an empty cache.

        Args:
            cache_bytes_max: memory of the cache, bytes.
            make_reply: what an answer holds for a RAW file, from its id (16 bytes), dataset
                number and state. Distinct files have distinct, hashable replies.
        """
        self.cache = PageCache(cache_bytes_max, make_reply)
        self._lock = threading.Lock()
        self._server = ""
        self._dataset_version = -1

    def lookup(
        self, connection: Connection, runs: Int64, events: Int64, *, with_olt: bool = False
    ) -> Answer[Reply]:
        """Look up n pairs.

        Args:
            connection: in autocommit, used by this call alone while it runs.
            runs: int64, shape (n,), or (1,) when all pairs are of one run.
            events: int64, shape (n,).
            with_olt: whether to answer `olt_result` too.

        Raises:
            StoreUnavailableError: the database did not answer.
            CorruptPageError: a stored page contradicts itself.
        """
        return self.lookup_all(connection, [Asked(runs, events, with_olt)])[0]

    def lookup_all(self, connection: Connection, asked: Sequence[Asked]) -> list[Answer[Reply]]:
        """Answer several batches that have all arrived: one question for all generations.

        Raises:
            StoreUnavailableError, CorruptPageError: as in `lookup`.
        """
        batches: list[LookupBatch[Reply] | None] = [
            LookupBatch(one.runs, one.events, with_olt=one.with_olt) if len(one.events) else None
            for one in asked
        ]
        some = [batch for batch in batches if batch is not None]
        if some:
            runs = itertools.chain.from_iterable(batch.distinct_runs.tolist() for batch in some)
            generations = self._read_generations(connection, set(runs))
            for batch in some:
                batch.set_generations(generations)
                self._answer(connection, batch)
        return [
            _nothing(with_olt=one.with_olt) if batch is None else batch.finish()
            for one, batch in zip(asked, batches, strict=True)
        ]

    def _answer(self, connection: Connection, batch: LookupBatch[Reply]) -> None:
        with self._lock:
            self._check_server(connection)
            missing = list(self._answer_from_cache(batch))
        for part in missing:
            for piece in _pieces(part):
                self._answer_from_database(connection, batch, piece)

    def _read_generations(self, connection: Connection, runs: set[int]) -> dict[int, int]:
        with connection.cursor() as cursor:
            connection.prepare(cursor, "lookup_generations", _GENERATIONS)
            # As text: an array of a thousand Python numbers takes ten times as long.
            wanted = "{" + ",".join(map(str, runs)) + "}"
            cursor.execute("EXECUTE lookup_generations (%s)", (wanted,))
            generations: dict[int, int] = dict(cursor.fetchall())
            version = generations.pop(_VERSION_KEY)
            closed = None
            if version != self._dataset_version or connection.server != self._server:
                closed = catalogue.closed_states(cursor)
        with self._lock:
            another = connection.server != self._server
            if another:
                self.cache.clear()
                self._server = connection.server
            # Of two batches that noticed a change the later one's states count.
            if closed is not None and (another or version > self._dataset_version):
                self.cache.files.set_closed_datasets(closed)
                self._dataset_version = version
        return generations

    def _answer_from_cache(self, batch: LookupBatch[Reply]) -> Iterator[MissingPages]:
        """Answer what the cache can; the rest comes back as pages to read."""
        rows = self.cache.find(batch.runs, batch.pages)
        usable = self.cache.usable(rows, batch.stamps, with_olt=batch.with_olt)
        n = len(batch.slots)
        if usable.all():
            self._answer_rows(batch, slice(None), rows, batch.page_of_pair)
            self.cache.counts.hits += n
            return
        where = np.flatnonzero(usable.take(batch.page_of_pair))
        if len(where):
            held = np.flatnonzero(usable)
            of = np.searchsorted(held, batch.page_of_pair.take(where))
            self._answer_rows(batch, where, rows.take(held), of)
        self.cache.counts.hits += len(where)
        self.cache.counts.misses += n - len(where)
        yield from batch.missing(~usable)

    def _answer_rows(
        self, batch: LookupBatch[Reply], where: Pairs | slice, rows: Int32, of: Pairs
    ) -> None:
        """Answer the pairs at `where`, each from its row `rows[of]`."""
        slots = batch.slots[where]
        files, places = self.cache.files.answer(self.cache.file_numbers(rows, of, slots))
        olt = self.cache.olt_results(rows.take(of), slots) if batch.with_olt else None
        batch.answer(where, files, places, olt)

    def _answer_from_database(
        self, connection: Connection, batch: LookupBatch[Reply], part: MissingPages
    ) -> None:
        """Read the pages of a part (those that changed), hold them, answer their pairs."""
        with self._lock:
            known = self._held_generations(part, with_olt=batch.with_olt)
        fetched = self._fetch(connection, batch, part.run, part.pages, known)
        with self._lock:
            left = self._answer_unchanged(connection, batch, part, fetched)
        evicted = [p for p in part.pages[left].tolist() if p in fetched and not fetched[p].page]
        if evicted:
            fetched.update(self._fetch(connection, batch, part.run, np.array(evicted), None))
        for load in self._cache_loads(part, left, fetched):
            with self._lock:
                self._hold(connection, batch, part, load, fetched)
                self._answer_pages(batch, part, load)

    def _held_generations(self, part: MissingPages, *, with_olt: bool) -> list[int] | None:
        """The generation of each page that is held; None when none is."""
        rows = self.cache.find(part.run, part.pages)
        held = self.cache.held(rows, with_olt=with_olt)
        if not held.any():
            return None
        known: list[int] = np.where(held, self.cache.generation[rows], _NOT_HELD).tolist()
        return known

    def _fetch(
        self,
        connection: Connection,
        batch: LookupBatch[Reply],
        run: int,
        pages: Int64,
        known: list[int] | None,
    ) -> dict[int, pagecopy.FetchedPage]:
        sql = pagecopy.fetch_sql(run, pages.tolist(), known, with_olt=batch.with_olt)
        with connection.cursor() as cursor:
            data = copy_out(cursor, sql)
        return {page.page_no: page for page in pagecopy.decode_rows(data)}

    def _answer_unchanged(
        self,
        connection: Connection,
        batch: LookupBatch[Reply],
        part: MissingPages,
        fetched: dict[int, pagecopy.FetchedPage],
    ) -> Int64:
        """Answer from the held pages that did not change; returns the places of the others."""
        self._check_server(connection)
        rows = self.cache.find(part.run, part.pages)
        unchanged = np.zeros(len(rows), bool)
        for place, page_no in enumerate(part.pages.tolist()):
            got = fetched.get(page_no)
            if got is not None and got.page is None and rows[place] >= 0:
                unchanged[place] = self.cache.generation[rows[place]] == got.generation
        unchanged &= self.cache.held(rows, with_olt=batch.with_olt)
        self.cache.stamp[rows[unchanged]] = part.generation
        places = np.flatnonzero(unchanged)
        if len(places):
            self._answer_pages(batch, part, places)
        return np.flatnonzero(~unchanged)

    def _cache_loads(
        self, part: MissingPages, places: Int64, fetched: dict[int, pagecopy.FetchedPage]
    ) -> Iterator[Int64]:
        """Cut places of pages so that each piece takes at most half of the cache."""
        first, size = 0, 0
        for index, page_no in enumerate(part.pages[places].tolist()):
            cost = _cost(fetched.get(page_no))
            if index > first and size + cost > self.cache.bytes_max // 2:
                yield places[first:index]
                first, size = index, 0
            size += cost
        if len(places):
            yield places[first:]

    def _hold(
        self,
        connection: Connection,
        batch: LookupBatch[Reply],
        part: MissingPages,
        places: Int64,
        fetched: dict[int, pagecopy.FetchedPage],
    ) -> None:
        self._check_server(connection)
        pages = part.pages[places].tolist()
        self.cache.make_room(sum(_cost(fetched.get(page_no)) for page_no in pages))
        for page_no in pages:
            got = fetched.get(page_no)
            self.cache.put(
                part.run,
                page_no,
                got.page if got else None,
                generation=got.generation if got else _NOT_HELD,
                stamp=part.generation,
                with_olt=batch.with_olt,
            )

    def _answer_pages(self, batch: LookupBatch[Reply], part: MissingPages, places: Int64) -> None:
        counts = np.diff(part.cuts)
        mark = np.zeros(len(part.pages), bool)
        mark[places] = True
        pairs = part.pairs[np.repeat(mark, counts)]
        of = np.repeat(np.arange(len(places)), counts[places])
        self._answer_rows(batch, pairs, self.cache.find(part.run, part.pages[places]), of)

    def _check_server(self, connection: Connection) -> None:
        if connection.server != self._server:
            raise ServerChangedError("the database server changed during the lookup")


def _nothing(*, with_olt: bool) -> Answer[Reply]:
    return Answer([], np.empty(0, np.uint32), np.empty(0, np.uint64) if with_olt else None)


def _pieces(part: MissingPages) -> Iterator[MissingPages]:
    """Cut a part into as many pages as one query takes."""
    for first in range(0, len(part.pages), _PAGES_PER_QUERY_MAX):
        last = min(first + _PAGES_PER_QUERY_MAX, len(part.pages))
        cuts = part.cuts[first : last + 1]
        yield MissingPages(
            part.run,
            part.generation,
            part.pages[first:last],
            part.pairs[cuts[0] : cuts[-1]],
            cuts - cuts[0],
        )


def _cost(got: pagecopy.FetchedPage | None) -> int:
    """An upper bound of the memory that a page takes in the cache, bytes."""
    if got is None or got.page is None:
        return ROW_BYTES + 16
    page = got.page
    files = len(page.fuids) * (FILE_BYTES + 8)
    if page.slots is not None:
        return ROW_BYTES + 400 + files + 12 * page.n_events + len(page.olt_planes)
    rows = SLOTS_PER_PAGE if len(page.fuids) <= 255 else 2 * SLOTS_PER_PAGE
    return ROW_BYTES + 400 + rows + files + len(page.olt_planes)
