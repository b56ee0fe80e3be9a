"""This project as its users have it: stored by `event_store`, NumPy columns over gRPC."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import grpc
import numpy as np
import psycopg2

import eventindex
from benchmarks.peers.base import Answer
from benchmarks.results import OURS
from benchmarks.workload import FUID, Batch, Fuids
from event_store.admin import collections
from event_store.database.connection import Connection, StoreOptions
from event_store.model import RAW, EventColumns
from event_store.write.writer import Store
from eventindex.results import LookupResult, UInt32
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc

_TABLES = "{run,event_page,raw_file,dataset,event_conflict,dead_letter,cosmic_event}"


class Lookups:
    """The Python client's LookupStream, NumPy columns in and out."""

    def __init__(self, index_address: str) -> None:
        self.client = eventindex.connect(index_address, timeout=120)

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look batches up over one stream."""
        results = self.client.lookup_stream((batch.runs, batch.events) for batch in batches)
        return [partial(_fuids, result, result.file_indexes) for result in results]

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


class PageIndex:
    """The index under measurement."""

    name = OURS
    pairs_max = 100_000

    def __init__(self, database_url: str, index_address: str) -> None:
        self._database_url = database_url
        self._store = Store(database_url)
        self._derived = RAW
        self._lookups = Lookups(index_address)
        options = [("grpc.max_receive_message_length", 16 << 20), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(index_address, options)
        self._stub = lookup_pb2_grpc.IndexServiceStub(self._channel)

    def load(self, batch: EventColumns) -> None:
        """Store a batch from arrays in memory to committed pages."""
        self._store.write(batch)

    def settle(self) -> None:
        """Vacuum the pages' tables and write out what is pending."""
        vacuum(self._database_url)

    def lookup(self, batches: Sequence[Batch]) -> list[Answer]:
        """Look batches up over one LookupStream."""
        return self._lookups.lookup(batches)

    def bytes(self) -> int:
        """Return disk of the pages, their indexes and the catalogue."""
        return disk_bytes(self._database_url)

    def count_bits(self) -> dict[int, int]:
        """Return how many events have each bit of olt_result, over gRPC."""
        request = lookup_pb2.CountEventsRequest(by=lookup_pb2.COUNT_BY_OLT_BIT)
        return {count.olt_bit: count.events for count in self._stub.CountEvents(request).counts}

    def list_mask(self, mask: int) -> int:
        """List the events that have every bit of a mask, over gRPC; how many there are."""
        request = lookup_pb2.ListEventsRequest(
            selection=lookup_pb2.EventSelection(olt_all=mask), batch_events_max=50_000
        )
        return sum(len(batch.event_numbers) for batch in self._stub.ListEvents(request))

    def make_collection(self, name: str) -> None:
        """Make a collection, for events beside those of `load`."""
        with contextlib.closing(
            Connection(self._database_url, StoreOptions(), autocommit=False, name="benchmark")
        ) as connection:
            self._derived = collections.create(connection, name, "", "", 1000).collection_id

    def load_derived(self, batch: EventColumns) -> None:
        """Store a batch in the collection that was made last."""
        self._store.write(replace(batch, collection=self._derived))

    def overlap(self, names: Sequence[str]) -> int:
        """Return how many events two collections have in common, over gRPC."""
        return int(self._lookups.client.overlap(names).events[0, 1])

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        self._lookups.close()
        self._channel.close()


def _fuids(result: LookupResult, file_indexes: UInt32) -> Fuids:
    ids = "".join([file.fuid_raw for file in result.files]).replace("-", "")
    fuids: Fuids = np.frombuffer(bytes(16) + bytes.fromhex(ids), FUID)
    return fuids[file_indexes]


def disk_bytes(database_url: str) -> int:
    """Return disk of the pages, their indexes and the whole catalogue of a database."""
    with (
        contextlib.closing(psycopg2.connect(database_url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"SELECT sum(pg_total_relation_size(t)) FROM unnest('{_TABLES}'::regclass[]) AS t"
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def vacuum(database_url: str) -> None:
    """Give the planner its statistics and write out what is pending."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
