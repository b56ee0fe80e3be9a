"""Lookups: pairs in, RAW files out, through a cache that is checked with every batch.

A batch asks the database once for the generations of its runs, after it arrived. Cached pages
that carry that very generation answer; all others go back to the database, which sends only what
changed. So an event that was committed before the batch arrived is found. Never writes.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Generic

import numpy as np
from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection, copy_rows
from event_store.database.hosts import Turns
from event_store.errors import StoreUnavailableError
from event_store.lookup.answering import answer_by_view, answer_found
from event_store.lookup.batch import (
    IN_RAW,
    Answer,
    Asked,
    CollectionPlace,
    LookupBatch,
    MissingPages,
    Pairs,
    PendingOlt,
    Reply,
)
from event_store.lookup.cache import PageCache
from event_store.lookup.cached_files import MakeReply
from event_store.lookup.loading import Loading, pages_at_once
from event_store.model import RAW, RAW_NAME, Int64
from event_store.pages import blocks
from event_store.select.collections import collection_number
from event_store.write import catalogue

_PAGES_PER_QUERY_MAX = 4096
_PAGES_FEW = 16  # Up to so many the plan of rows of many pages takes longer than they save.
_NOT_HELD = -1
_VERSION_KEY = -1

_GENERATIONS_ALONE = (
    f"SELECT run_number, generation FROM run WHERE run_number = ANY ($1) AND collection_id = {RAW}"
)
_VERSION = f"SELECT {_VERSION_KEY}, version FROM dataset_version"
_GENERATIONS = f"{_GENERATIONS_ALONE} UNION ALL {_VERSION}"
_GENERATIONS_OF = (
    "SELECT r.run_number, r.collection_id, r.generation "
    "FROM unnest($1::bigint[], $2::integer[]) AS asked (run, collection) "
    "JOIN run r ON r.run_number = asked.run AND r.collection_id = asked.collection"
)
# Page numbers have 50 bits.
_OFFSET_BITS = 50
_COLLECTIONS_MAX = 1 << 13
_RAW_ALONE = {RAW_NAME: IN_RAW}


class ServerChangedError(StoreUnavailableError):
    """The server behind the connection is another one than when the batch began."""


class Reader(Generic[Reply]):
    """The reading side of the index; any number of threads, each call with its own connection."""

    def __init__(self, cache_bytes_max: int, make_reply: MakeReply[Reply]) -> None:
        """Make a reader with an empty cache.

        Args:
            cache_bytes_max: memory of the cache, bytes.
            make_reply: what an answer holds for a RAW file, see `MakeReply`. Distinct files have
                distinct, hashable replies.
        """
        self.cache = PageCache(cache_bytes_max, make_reply)
        self._lock = threading.Lock()
        self._server = ""
        self._turns = Turns()
        self._dataset_version = -1
        # The number of each collection in the cache.
        self._offsets: dict[int, int] = {RAW: 0}
        self._epoch = 0

    def lookup(
        self,
        connection: Connection,
        runs: Int64,
        events: Int64,
        *,
        with_olt: bool = False,
        collection: str = RAW_NAME,
    ) -> Answer[Reply]:
        """Look up n pairs.

        Args:
            connection: in autocommit, used by this call alone while it runs.
            runs: int64, shape (n,), or (1,) when all pairs are of one run.
            events: int64, shape (n,).
            with_olt: whether to answer `olt_result` too.
            collection: the name of the collection that is asked.

        Raises:
            StoreUnavailableError: the database did not answer.
            UnknownCollectionError, CorruptPageError: no such collection, a page contradicts itself.
        """
        return self.lookup_all(connection, [Asked(runs, events, with_olt, 0, collection)])[0]

    def lookup_all(self, connection: Connection, asked: Sequence[Asked]) -> list[Answer[Reply]]:
        """Answer several batches that have all arrived, as `lookup`: one question for all."""
        places = self._places(connection, {one.collection for one in asked})
        batches: list[LookupBatch[Reply] | None] = [
            LookupBatch(one.runs, one.events, with_olt=one.with_olt, place=places[one.collection])
            if len(one.events)
            else None
            for one in asked
        ]
        some = [batch for batch in batches if batch is not None]
        if some:
            runs: dict[int, set[int]] = {RAW: set()}
            for batch in some:
                of_collection = runs.setdefault(batch.place.collection, set())
                of_collection.update(batch.distinct_runs.tolist())
            generations = self._read_generations(connection, runs)
            for batch in some:
                batch.set_generations(generations[batch.place.collection])
                self._answer(connection, batch)
        return [
            _nothing(with_olt=one.with_olt) if batch is None else batch.finish()
            for one, batch in zip(asked, batches, strict=True)
        ]

    def _places(self, connection: Connection, names: Set[str]) -> Mapping[str, CollectionPlace]:
        """Return where the pages of collections are; 'raw' alone needs no question."""
        if names <= _RAW_ALONE.keys():
            return _RAW_ALONE
        with connection.cursor() as cursor:
            numbers = {name: collection_number(cursor, name) for name in names}
        return {name: self._place(number) for name, number in numbers.items()}

    def _place(self, collection: int) -> CollectionPlace:
        """Return where the pages of a collection are in the cache."""
        if collection == RAW:
            return IN_RAW
        with self._lock:
            if collection not in self._offsets:
                if len(self._offsets) == _COLLECTIONS_MAX:
                    self.cache.clear()
                    self._offsets = {RAW: 0}
                    self._epoch += 1
                self._offsets[collection] = len(self._offsets) << _OFFSET_BITS
            return CollectionPlace(collection, self._offsets[collection], self._epoch)

    def _answer(self, connection: Connection, batch: LookupBatch[Reply]) -> None:
        with self._for(connection, batch):
            if answer_by_view(self.cache, batch):
                return
        batch.find_pages()
        with self._for(connection, batch):
            missing, olt = self._answer_from_cache(batch)
        batch.answer_olt(olt)
        if missing is not None:
            for part in missing.pieces(_PAGES_PER_QUERY_MAX):
                self._answer_from_database(connection, batch, part)

    def _read_generations(
        self, connection: Connection, runs: Mapping[int, Collection[int]]
    ) -> dict[int, dict[int, int]]:
        """Return the generation of each run of each collection, of 'raw' in any case."""
        with connection.cursor() as cursor:
            # A table of the coordinator beside one of the nodes would be fetched through files.
            apart = connection.distributed
            sql = _GENERATIONS_ALONE if apart else _GENERATIONS
            connection.prepare(cursor, "lookup_generations", sql)
            # As text: an array of a thousand Python numbers takes ten times as long.
            wanted = "{" + ",".join(map(str, runs[RAW])) + "}"
            cursor.execute("EXECUTE lookup_generations (%s)", (wanted,))
            generations: dict[int, int] = dict(cursor.fetchall())
            if apart:
                cursor.execute(_VERSION)
                generations.update(cursor.fetchall())
            version = generations.pop(_VERSION_KEY)
            of_others = _generations_of(connection, cursor, runs) if len(runs) > 1 else {}
            closed = None
            if version != self._dataset_version or connection.server != self._server:
                closed = catalogue.closed_states(cursor)
        with self._lock:
            another = connection.server != self._server
            if another and closed is None:
                # The states were not read: a moment ago those at hand were of this very server.
                raise ServerChangedError("the database server changed during the lookup")
            if another:
                self._turns.note(connection.server)
                self.cache.clear()
                self._server = connection.server
            # When two batches notice a change, the states that were read later win.
            if closed is not None and (another or version > self._dataset_version):
                self.cache.files.set_closed_datasets(closed)
                self._dataset_version = version
        return {RAW: generations, **of_others}

    def _answer_from_cache(
        self, batch: LookupBatch[Reply]
    ) -> tuple[MissingPages | None, PendingOlt | None]:
        """Answer what the cache can; the rest comes back as pages to read."""
        rows = self.cache.find(batch.runs, batch.pages)
        usable = self.cache.usable(rows, batch.stamps, with_olt=batch.with_olt)
        if usable.all():
            self.cache.counts.hits += len(batch.events)
            return None, answer_found(self.cache, batch, slice(None), rows, batch.page_of_pair)
        olt = None
        where = np.flatnonzero(usable.take(batch.page_of_pair))
        if len(where):
            held = np.flatnonzero(usable)
            of = np.searchsorted(held, batch.page_of_pair.take(where))
            olt = answer_found(self.cache, batch, where, rows.take(held), of)
        self.cache.counts.hits += len(where)
        self.cache.counts.misses += len(batch.events) - len(where)
        return batch.missing(~usable), olt

    def _answer_from_database(
        self, connection: Connection, batch: LookupBatch[Reply], part: MissingPages
    ) -> None:
        """Read the pages of a part (those that changed), hold them, answer their pairs."""
        with self._for(connection, batch):
            known = self._held_generations(part, with_olt=batch.with_olt)
        evicted = self._read(connection, batch, part, known)
        if len(evicted):
            again = part.at(evicted)
            self._read(connection, batch, again, np.full(len(evicted), _NOT_HELD))

    def _held_generations(self, part: MissingPages, *, with_olt: bool) -> Int64:
        """Return the generation of each page that is held, -1 of the others."""
        rows = self.cache.find(part.runs, part.pages)
        held = self.cache.held(rows, with_olt=with_olt)
        return np.where(held, self.cache.generation[rows], _NOT_HELD)

    def _read(
        self, connection: Connection, batch: LookupBatch[Reply], part: MissingPages, known: Int64
    ) -> Pairs:
        """Read pages, hold them and answer; returns those that were evicted meanwhile."""

        @contextmanager
        def locked() -> Iterator[None]:
            connection.step()
            with self._for(connection, batch):
                yield

        apart = connection.distributed
        few = apart or len(part.pages) <= _PAGES_FEW
        pages_a_row = 1 if few else pages_at_once(self.cache.bytes_max, with_olt=batch.with_olt)
        loading = Loading(self.cache, batch, part, locked, pages_a_row)
        _, offset, _ = place = batch.place
        wanted = part.runs, part.pages - offset, known
        sql = blocks.read_sql(
            blocks.WantedPages(*(column.tolist() for column in wanted)),
            pages_a_row,
            with_olt=batch.with_olt,
            collection=place.collection,
            offset=offset,
            by_shard=apart,
        )
        with connection.cursor() as cursor:
            copy_rows(cursor, sql, loading.take)
            return loading.finish()

    @contextmanager
    def _for(self, connection: Connection, batch: LookupBatch[Reply]) -> Iterator[None]:
        """Hold the cache alone, while it is of the server behind a connection."""
        place = batch.place
        with self._lock:
            if place.offset and place.epoch != self._epoch:
                raise ServerChangedError("the places of collections in the cache changed")
            if connection.server != self._server:
                raise ServerChangedError("the database server changed during the lookup")
            yield


def _nothing(*, with_olt: bool) -> Answer[Reply]:
    return Answer([], np.empty(0, np.uint32), np.empty(0, np.uint64) if with_olt else None)


def _generations_of(
    connection: Connection, cursor: Cursor, runs: Mapping[int, Collection[int]]
) -> dict[int, dict[int, int]]:
    """Return the generations of the runs of all collections but 'raw'."""
    connection.prepare(cursor, "lookup_generations_of", _GENERATIONS_OF)
    found: dict[int, dict[int, int]] = {number: {} for number in runs if number != RAW}
    pairs = [(run, number) for number in found for run in runs[number]]
    columns = ("{" + ",".join(map(str, column)) + "}" for column in zip(*pairs, strict=True))
    cursor.execute("EXECUTE lookup_generations_of (%s, %s)", tuple(columns))
    for run, number, generation in cursor.fetchall():
        found[number][run] = generation
    return found
