"""The project as its users have it: the store into the embedded PostgreSQL, lookups over gRPC."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import psycopg2

import eventindex
from event_store.model import EventColumns, Int64
from event_store.writer import Store
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc

START_TIMEOUT_S = 90


@contextlib.contextmanager
def stack() -> Iterator[dict[str, str]]:
    """`eventindex up` on an empty data directory; the addresses of `endpoints.json`."""
    with tempfile.TemporaryDirectory(prefix="eventindex-bench-") as name:
        root = Path(name)
        root.chmod(0o755)
        endpoints = root / "data" / "endpoints.json"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(
                [Path(sys.executable).parent / "eventindex", "up", "--data-dir", root / "data"],
                stdout=log,
                stderr=log,
                env=environment,
            )
            try:
                deadline = time.monotonic() + START_TIMEOUT_S
                while not endpoints.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((root / "log").read_text())
                    time.sleep(0.1)
                yield json.loads(endpoints.read_text())
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)


class PageIndex:
    """The index under measurement."""

    def __init__(self, database_url: str, index_address: str) -> None:
        self._store = Store(database_url)
        self._database_url = database_url
        self._client = eventindex.connect(index_address)
        options = [("grpc.max_receive_message_length", 16 << 20)]
        self._channel = grpc.insecure_channel(index_address, options)
        self._stub = lookup_pb2_grpc.IndexServiceStub(self._channel)

    def load(self, batch: EventColumns) -> None:
        """Store a batch from arrays in memory to committed pages."""
        self._store.write(batch)

    def bytes(self) -> int:
        """Disk of the pages, their indexes and the catalogue."""
        with (
            contextlib.closing(psycopg2.connect(self._database_url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT sum(pg_total_relation_size(t)) FROM unnest('{run,event_page,raw_file,"
                "dataset,event_conflict,dead_letter,cosmic_event}'::regclass[]) AS t"
            )
            row = cursor.fetchone()
        return int(row[0]) if row else 0

    def lookup(self, pairs: Iterable[tuple[Int64, Int64]]) -> int:
        """Look up batches over one LookupStream; the number found."""
        return sum(result.found for result in self._client.lookup_stream(pairs))

    def count_bits(self) -> dict[int, int]:
        """How many events have each bit of olt_result, over gRPC."""
        request = lookup_pb2.CountEventsRequest(by=lookup_pb2.COUNT_BY_OLT_BIT)
        return {count.olt_bit: count.events for count in self._stub.CountEvents(request).counts}

    def list_mask(self, mask: int) -> int:
        """List the events that have every bit of a mask, over gRPC; how many there are."""
        request = lookup_pb2.ListEventsRequest(
            selection=lookup_pb2.EventSelection(olt_all=mask), batch_events_max=50_000
        )
        return sum(len(batch.event_numbers) for batch in self._stub.ListEvents(request))

    def lookup_one_by_one(self, runs: Int64, events: Int64) -> int:
        """Look up pairs with one unary call each; the number found."""
        pairs = zip(runs.tolist(), events.tolist(), strict=True)
        return sum(self._client.lookup([pair]).found for pair in pairs)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        self._client.close()
        self._channel.close()
