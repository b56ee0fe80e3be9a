"""Real gRPC servers with a dictionary behind, which can be cut, held and stopped at will."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

from eventindex.v1 import event_pb2, ingest_pb2, lookup_pb2
from eventindex.v1.ingest_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from eventindex.v1.lookup_pb2_grpc import IndexServiceServicer, add_IndexServiceServicer_to_server

MIB16 = 16 * 1024 * 1024
OPTIONS = [
    ("grpc.max_send_message_length", MIB16),
    ("grpc.max_receive_message_length", MIB16),
    ("grpc.so_reuseport", 0),
]

# (run, event) -> (fuid, dsid, olt)
Store = dict[tuple[int, int], tuple[str, int, int]]


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def answer(store: Store, request: Any) -> lookup_pb2.LookupResponse:
    count = len(request.event_numbers)
    runs = list(request.run_numbers)
    runs = runs * count if len(runs) == 1 else runs
    files: dict[tuple[str, int], int] = {}
    indexes, bits = [], []
    for pair in zip(runs, request.event_numbers, strict=True):
        known = store.get(pair)
        indexes.append(files.setdefault(known[:2], len(files) + 1) if known else 0)
        bits.append(known[2] if known else 0)
    return lookup_pb2.LookupResponse(
        batch_id=request.batch_id,
        files=[
            event_pb2.RawFile(fuid_raw=f, dsid_raw=d, dataset_state=event_pb2.DATASET_STATE_OPEN)
            for f, d in files
        ],
        file_indexes=indexes,
        olt_results=bits if request.with_olt_result else [],
        found=sum(i > 0 for i in indexes),
        not_found=sum(i == 0 for i in indexes),
    )


class Index(IndexServiceServicer):
    """Answers from a dictionary. `before_answer(call, answered, context)` may do harm."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls = 0
        self.lookups = 0
        self.active = threading.Semaphore(0)
        self.cancelled = threading.Event()
        self.received: list[int] = []
        self.before_answer: Callable[[int, int, Any], bool | None] = lambda *_: None
        self.before_lookup: Callable[[int, Any], None] = lambda *_: None

    def Lookup(self, request: Any, context: Any) -> Any:
        self.lookups += 1
        self.before_lookup(self.lookups, context)
        return answer(self.store, request)

    def LookupStream(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        self.calls += 1
        call = self.calls
        context.add_callback(self.cancelled.set)
        for answered, request in enumerate(request_iterator):
            self.received.append(request.batch_id)
            if self.before_answer(call, answered, context):
                return
            yield answer(self.store, request)

    def GetEvent(self, request: Any, context: Any) -> Any:
        known = self.store.get((request.run_number, request.event_number))
        if known is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"run {request.run_number} has no such event")
        event = event_pb2.Event(
            run_number=request.run_number,
            event_number=request.event_number,
            fuid_raw=known[0],
            dsid_raw=known[1],
            olt_result=known[2],
        )
        return lookup_pb2.GetEventResponse(event=event)

    def ListRuns(self, request: Any, context: Any) -> Any:
        runs = sorted({run for run, _ in self.store})
        if request.run_numbers:
            runs = [run for run in runs if run in request.run_numbers]
        after = int(request.page_token or -1)
        left = [run for run in runs if run > after]
        page = left[:2]
        return lookup_pb2.ListRunsResponse(
            runs=[
                lookup_pb2.Run(run_number=r, events=sum(run == r for run, _ in self.store))
                for r in page
            ],
            next_page_token=str(page[-1]) if len(left) > 2 else "",
        )


class Ingest(IngestServiceServicer):
    """Stores into a dictionary; odd things happen in `before_ack`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls = 0
        self.cosmic: list[tuple[str, bytes]] = []
        self.before_ack: Callable[[int, int, Any], bool | None] = lambda *_: None

    def Ingest(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        self.calls += 1
        call = self.calls
        for answered, batch in enumerate(request_iterator):
            ack = self._store(batch)
            if self.before_ack(call, answered, context):
                return
            yield ack

    def _store(self, batch: Any) -> ingest_pb2.IngestAck:
        ack = ingest_pb2.IngestAck(batch_id=batch.batch_id)
        count = len(batch.event_numbers)
        runs = list(batch.run_numbers)
        runs = runs * count if len(runs) == 1 else runs
        bits = list(batch.olt_results) or [0] * count
        columns = zip(runs, batch.event_numbers, batch.file_indexes, bits, strict=True)
        for index, (run, event, file_index, olt) in enumerate(columns):
            file = batch.files[file_index - 1]
            value = (file.fuid_raw, file.dsid_raw, olt)
            if file.dsid_raw == 666:
                ack.rejected += 1
                ack.rejections.add(index=index, reason="dataset 666 is frozen")
            elif (run, event) not in self.store:
                self.store[run, event] = value
                ack.inserted += 1
            elif self.store[run, event] == value:
                ack.duplicates += 1
            else:
                ack.conflicts += 1
        return ack

    def IngestCosmic(self, request_iterator: Any, context: Any) -> Iterator[Any]:
        for batch in request_iterator:
            ack = ingest_pb2.IngestAck(batch_id=batch.batch_id)
            for index, record in enumerate(batch.records):
                if b"RunNumber" in record:
                    ack.inserted += 1
                    self.cosmic.append((batch.detector_id, record))
                else:
                    ack.rejected += 1
                    ack.rejections.add(index=index, reason="RunNumber is missing")
            yield ack


class Server:
    """Both services on one port of loopback; can be stopped and started again there."""

    def __init__(
        self, store: Store | None = None, credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self._credentials = credentials
        self.store: Store = {} if store is None else store
        self.index = Index(self.store)
        self.ingest = Ingest(self.store)
        self._server: grpc.Server | None = None
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._pool = futures.ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool, options=OPTIONS)
        add_IndexServiceServicer_to_server(self.index, self._server)
        add_IngestServiceServicer_to_server(self.ingest, self._server)
        address = f"127.0.0.1:{self.port}"
        self.port = (
            self._server.add_secure_port(address, self._credentials)
            if self._credentials
            else self._server.add_insecure_port(address)
        )
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._pool.shutdown()
            self._server = None


def pairs(batches: Any) -> list[tuple[int, int]]:
    """The events of a listing as (run, event)."""
    return [
        pair
        for batch in batches
        for pair in zip(batch.run_numbers.tolist(), batch.event_numbers.tolist(), strict=True)
    ]
