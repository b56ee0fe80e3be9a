"""Faults that lookups meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

import eventindex
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import query
from tests.faults.bench import Bench
from tests.faults.ledger import Key
from tests.faults.scenario import scenario
from tests.faults.senders import GrpcSender, value_of
from tests.support.processes import Service, wait_until

EVENTS = 20_000
PAIRS = 2_000


def fill(bench: Bench) -> Service:
    """Store events for lookups; the index service."""
    ingest = bench.ingest()
    source = iter([(n % 5, n // 5) for n in range(EVENTS)])
    sender: GrpcSender = bench.grpc(ingest, 1e6, source=source, batch=5_000)
    wait_until(lambda: len(bench.ledger.committed) == EVENTS, 60, "events to look up")
    sender.stop()
    return bench.index()


class _Asker:
    """A stream of batches in a thread; every pair is compared with the ledger."""

    def __init__(self, bench: Bench, service: Service, batches: int) -> None:
        self._bench = bench
        self._client = eventindex.connect(service.address, timeout=60, retry_seconds_max=60)
        self._batches = batches
        self.answers = 0
        self.problems: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asked: list[list[Key]] = []

        def batches() -> Iterator[list[Key]]:
            for _ in range(self._batches):
                asked.append(self._bench.random.choices(self._bench.ledger.committed, k=PAIRS))
                yield asked[-1]

        try:
            with self._client:
                for number, result in enumerate(self._client.lookup_stream(batches())):
                    wanted = [value_of(key).fuid_raw for key in asked[number]]
                    if result.fuids().tolist() != wanted:
                        self.problems.append(f"batch {number} is answered wrongly")
                    self.answers += 1
        except Exception as error:  # noqa: BLE001  # told by end()
            self.problems.append(repr(error))

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        """Every batch was answered once, in order, and right."""
        self._thread.join(120)
        assert not self.problems, self.problems[:5]
        assert self.answers == self._batches, f"{self.answers} of {self._batches} batches answered"


def _while_asking(bench: Bench, service: Service, times: int, harm: Callable[[], None]) -> float:
    """Harm in mid-stream; the longest time to the next answer."""
    longest = 0.0
    answers = 0
    for _ in range(times):
        asker = _Asker(bench, service, 400)
        wait_until(lambda asker=asker: asker.answers > 2, 30, "answers")
        bench.between(0, 0.2)
        before = asker.answers
        began = time.monotonic()
        harm()
        wait_until(lambda asker=asker, b=before: asker.answers > b or not asker.running, 60, "more")
        longest = max(longest, time.monotonic() - began)
        asker.end()
        answers += asker.answers
    bench.note = f"{answers * PAIRS:,} pairs asked, each answered once and right"
    return longest


@scenario("index_service is killed in mid-stream", "kill -9, then a start", times=5, short=1)
def index_killed(bench: Bench, times: int) -> float:
    """The client resumes: every pair is answered once."""
    service = fill(bench)

    def harm() -> None:
        service.kill()
        service.start()

    return _while_asking(bench, service, times, harm)


@scenario("index_service is stopped in mid-stream", "SIGTERM, then a start", times=5)
def index_stopped(bench: Bench, times: int) -> float:
    """Nothing half-answered is taken for whole; it ends with 0 within its grace period."""
    service = fill(bench)

    def harm() -> None:
        assert service.terminate(15) == 0, service.tail()
        service.start()

    return _while_asking(bench, service, times, harm)


def stub(channel: grpc.Channel) -> Any:
    return lookup_pb2_grpc.IndexServiceStub(channel)


def one_pair(bench: Bench) -> lookup_pb2.LookupRequest:
    run, event = bench.random.choice(bench.ledger.committed)
    return lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=[event])


def _failure(service_stub: Any, bench: Bench) -> grpc.RpcError | None:
    try:
        service_stub.Lookup(one_pair(bench), timeout=60)
    except grpc.RpcError as error:
        return error
    return None


@scenario("lookups while PostgreSQL is away", "kill -9 of PostgreSQL, then a start", times=8)
def lookups_without_database(bench: Bench, times: int) -> float:
    """UNAVAILABLE with a retry hint; answers by itself within 5 s of its return."""
    service = fill(bench)
    longest = 0.0
    with grpc.insecure_channel(service.address) as channel:
        service_stub = stub(channel)
        assert service_stub.Lookup(one_pair(bench)).found == 1
        for _ in range(times):
            bench.server.kill()
            error = _failure(service_stub, bench)
            assert error is not None
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
            assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"]
            bench.server.start()
            began = time.monotonic()
            wait_until(lambda: _failure(service_stub, bench) is None, 30, "an answer")
            longest = max(longest, time.monotonic() - began)
    assert longest < 5, f"{longest:.1f} s"
    return longest


@scenario(
    "lookups on a stalled database connection",
    "a proxy accepts and passes nothing on; settings as they come",
    times=1,
)
def lookups_stalled(bench: Bench, times: int) -> float:
    """UNAVAILABLE within 30 s: the watchdog on the client's side."""
    service = fill(bench)
    longest = 0.0
    with grpc.insecure_channel(service.address) as channel:
        service_stub = stub(channel)
        for _ in range(times):
            assert service_stub.Lookup(one_pair(bench)).found == 1
            bench.link.stall()
            began = time.monotonic()
            error = _failure(service_stub, bench)
            noticed_s = time.monotonic() - began
            assert error is not None
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
            bench.note = f"noticed after {noticed_s:.1f} s"
            assert noticed_s < 30, bench.note
            bench.link.heal()
            began = time.monotonic()
            wait_until(lambda: _failure(service_stub, bench) is None, 60, "an answer")
            longest = max(longest, time.monotonic() - began)
    return longest


_WAITING = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'eventindex index_service' AND wait_event_type = 'Lock'"
)


@scenario("queries of cancelled lookups", "cancelled while they wait for a lock", times=20)
def cancelled_queries(bench: Bench, times: int) -> float:
    """They are gone from PostgreSQL within a second."""
    service = fill(bench)
    longest = 0.0
    connection = bench.connect()
    with grpc.insecure_channel(service.address) as channel, connection.cursor() as cursor:
        for _ in range(times):
            cursor.execute("LOCK TABLE run IN ACCESS EXCLUSIVE MODE")
            call = stub(channel).Lookup.future(one_pair(bench))
            wait_until(lambda: query(bench.database, _WAITING), what="the waiting query")
            call.cancel()
            began = time.monotonic()
            wait_until(lambda: not query(bench.database, _WAITING), 10, "end of the query")
            longest = max(longest, time.monotonic() - began)
            connection.rollback()
    assert longest < 1, f"{longest:.1f} s"
    return longest
