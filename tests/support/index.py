"""A real gRPC server that answers lists and changes from plain values, and breaks when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

from eventindex.v1 import admin_pb2, event_pb2, ingest_pb2, lookup_pb2
from eventindex.v1.admin_pb2_grpc import AdminServiceServicer, add_AdminServiceServicer_to_server
from eventindex.v1.lookup_pb2_grpc import IndexServiceServicer, add_IndexServiceServicer_to_server
from tests.support.client import OPTIONS, fuid

Harm = Callable[[int, int, Any], None]


def no_harm(_call: int, _sent: int, _context: Any) -> None:
    """Nothing happens."""


def cut_after(answers: int, *, calls: int = 1) -> Harm:
    """End the first calls with UNAVAILABLE once so many answers have left."""

    def harm(call: int, sent: int, context: Any) -> None:
        if call <= calls and sent == answers:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    return harm


class Index(IndexServiceServicer):
    """Has the events (run, event) of `events`, three in a batch, and lists of two a page."""

    def __init__(self) -> None:
        self.events = [(run, event) for run in (1, 2) for event in range(1, 6)]
        self.requests: list[Any] = []
        self.harm: Harm = no_harm
        self.of_the_version_before = False
        self.cancelled = threading.Event()
        self.datasets = [
            lookup_pb2.Dataset(dsid_raw=n, name=f"data-{n}", state=n % 3 + 1, events=n, files=1)
            for n in range(1, 6)
        ]

    def ListEvents(self, request: Any, context: Any) -> Iterator[Any]:
        self.requests.append(lookup_pb2.ListEventsRequest.FromString(request.SerializeToString()))
        context.add_callback(self.cancelled.set)
        call = len(self.requests)
        after = (-1, -1)
        if request.HasField("after_run_number"):
            after = (request.after_run_number, request.after_event_number)
        left = [pair for pair in self.events if pair > after]
        left = left[: request.events_max or None]
        for sent, start in enumerate(range(0, len(left), 3)):
            self.harm(call, sent, context)
            part = left[start : start + 3]
            yield event_pb2.EventBatch(
                files=[event_pb2.RawFile(fuid_raw=fuid(run), dsid_raw=7) for run in (1, 2)],
                run_numbers=[run for run, _ in part],
                event_numbers=[event for _, event in part],
                file_indexes=[run for run, _ in part],
                olt_results=[event for _, event in part],
            )
            yield event_pb2.EventBatch()

    def GetDataset(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        if self.of_the_version_before:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        asked = (request.name, request.dsid_raw)
        known = next((d for d in self.datasets if asked in {(d.name, 0), ("", d.dsid_raw)}), None)
        if known is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such dataset")
        return lookup_pb2.GetDatasetResponse(dataset=known)

    def ListDatasets(self, request: Any, context: Any) -> Any:
        start = int(request.page_token or 0)
        wanted = [d for d in self.datasets if request.name_contains in d.name]
        return lookup_pb2.ListDatasetsResponse(
            datasets=wanted[start : start + 2],
            next_page_token=str(start + 2) if start + 2 < len(wanted) else "",
        )

    def CountEvents(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        pairs = [(a, b) for a in range(12) for b in range(a, 12)]
        return lookup_pb2.CountEventsResponse(
            total=10_000_000,
            counts=[
                lookup_pb2.EventCount(
                    events=1_000_000 * (a + 1) + b,
                    olt_bit=a,
                    other_olt_bit=b,
                    olt_name=f"criterion-{a}",
                    other_olt_name=f"criterion-{b}",
                )
                for a, b in pairs
            ],
        )

    def ReadRawFile(self, request: Any, context: Any) -> Iterator[Any]:
        self.requests.append(request)
        for sent, lines in enumerate((["{}", '{"a": 1}'], ['{"b": 2}'])):
            self.harm(len(self.requests), sent, context)
            yield lookup_pb2.ReadRawFileResponse(lines=lines)


class Admin(AdminServiceServicer):
    """Removes a thousand events in four steps, checks runs 1 to 4, and keeps two dead letters."""

    def __init__(self) -> None:
        self.harm: Harm = no_harm
        self.calls = 0
        self.sent = 0
        self.requests: list[Any] = []
        self.steps = [250, 500, 750, 1000]
        self.stopped = threading.Event()
        self.bad_run = 3
        self.letters = {
            1: admin_pb2.DeadLetter(
                dead_letter_id=1,
                topic="cosmic/0/event",
                payload=b'{"RunNumber": 1}',
                payload_bytes=16,
                reason="not_an_event",
                detail="EventNumber is missing",
            ),
            2: admin_pb2.DeadLetter(
                dead_letter_id=2,
                topic="eventindex/v1/batch/\x1b[31m",
                payload=b"\xff\x00",
                payload_bytes=2,
                reason="not_a_batch",
            ),
        }

    def DeleteDataset(self, request: Any, context: Any) -> Iterator[Any]:
        self.calls += 1
        context.add_callback(self.stopped.set)
        for sent, removed in enumerate(self.steps):
            self.sent = sent
            self.harm(self.calls, sent, context)
            yield admin_pb2.DeleteDatasetResponse(
                events_removed=removed, events_left=1000 - removed
            )

    def Verify(self, request: Any, context: Any) -> Iterator[Any]:
        self.calls += 1
        self.requests.append((request.run_first, request.run_last))
        last = request.run_last if request.HasField("run_last") else 4
        for sent, run in enumerate(range(max(request.run_first, 1), min(last, 4) + 1)):
            self.harm(self.calls, sent, context)
            wrong = ["n_events is 9, the pages hold 8"] if run == self.bad_run else []
            yield admin_pb2.VerifyResponse(run_number=run, events=8, differences=wrong)

    def DiscardDeadLetter(self, request: Any, context: Any) -> Any:
        self.calls += 1
        self.harm(self.calls, 0, context)
        self._letter(request, context)
        del self.letters[request.dead_letter_id]
        return admin_pb2.DiscardDeadLetterResponse()

    def ListDeadLetters(self, request: Any, context: Any) -> Any:
        start = int(request.page_token or 0)
        found = [letter for _, letter in sorted(self.letters.items())]
        page = admin_pb2.ListDeadLettersResponse(dead_letters=found[start : start + 1])
        page.next_page_token = str(start + 1) if start + 1 < len(found) else ""
        for letter in page.dead_letters:
            letter.payload = b""
        return page

    def GetDeadLetter(self, request: Any, context: Any) -> Any:
        return admin_pb2.GetDeadLetterResponse(dead_letter=self._letter(request, context))

    def ReplayDeadLetter(self, request: Any, context: Any) -> Any:
        self._letter(request, context)
        outcome = ingest_pb2.IngestAck(inserted=1)
        if request.dead_letter_id == 2:
            outcome = ingest_pb2.IngestAck(rejected=1)
            outcome.rejections.add(index=0, reason="not a batch")
        return admin_pb2.ReplayDeadLetterResponse(outcome=outcome)

    def _letter(self, request: Any, context: Any) -> Any:
        number = request.dead_letter_id
        if number not in self.letters:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no dead letter {number}")
        return self.letters[number]


class CatalogueServer:
    """Both services on one port of loopback."""

    def __init__(self) -> None:
        self.index, self.admin = Index(), Admin()
        self._pool = futures.ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool, options=OPTIONS)
        add_IndexServiceServicer_to_server(self.index, self._server)
        add_AdminServiceServicer_to_server(self.admin, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()
