"""Faults of clients that stream lookups."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import psutil

import eventindex
from eventindex.v1 import lookup_pb2
from tests.faults.bench import Bench
from tests.faults.index_faults import EVENTS, PAIRS, fill, one_pair, stub
from tests.faults.scenario import scenario
from tests.support.processes import Service, wait_until

_STOPPED = 100
# What HTTP/2's windows hold of one connection: requests not yet read, answers not yet sent.
_MB_PER_STOPPED_MAX = 10


def memory_mb(service: Service) -> float:
    """Resident memory of a service and its children."""
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    return sum(p.memory_info().rss for p in [process, *process.children()]) / 2**20


def _time_of_stream(service: Service, bench: Bench) -> float:
    """The best of some: others use this machine too."""
    asked = bench.random.choices(bench.ledger.committed, k=PAIRS)
    times = []
    with eventindex.connect(service.address) as client:
        for _ in range(6):
            began = time.monotonic()
            for result in client.lookup_stream([asked] * 300):
                assert result.found == PAIRS
            times.append(time.monotonic() - began)
    return min(times)


@scenario(
    "readers that stop reading",
    f"{_STOPPED} streams of lookups that nobody reads, one that is read",
)
def stopped_readers(bench: Bench, times: int) -> None:
    """Memory stays bounded, and the healthy reader takes at most twice its time."""
    service = fill(bench)
    run, first = 0, list(range(EVENTS // 5))
    request = lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=first, with_olt_result=True)
    alone_s, before_mb = _time_of_stream(service, bench), memory_mb(service)
    stop = threading.Event()

    def requests() -> Iterator[lookup_pb2.LookupRequest]:
        while not stop.is_set():
            yield request

    with contextlib.ExitStack() as stack:
        for _ in range(_STOPPED):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(service.address, options))
            stack.callback(stub(channel).LookupStream(requests()).cancel)
        wait_until(_levelled(service), 60, "no more requests taken in")
        level_mb = memory_mb(service)
        beside_s, after_mb = _time_of_stream(service, bench), memory_mb(service)
        stop.set()
    bench.note = (
        f"memory {before_mb:.0f} MB, with them {level_mb:.0f} and later {after_mb:.0f} MB; the "
        f"healthy reader {alone_s:.2f} s, beside them {beside_s:.2f} s"
    )
    assert after_mb - before_mb < _STOPPED * _MB_PER_STOPPED_MAX, bench.note
    assert beside_s < 2 * alone_s, bench.note


def _levelled(service: Service) -> Callable[[], bool]:
    """Whether no lookup was answered for a second."""
    seen = [(time.monotonic(), -1.0)]

    def check() -> bool:
        answered = service.metric("eventindex_lookup_pairs_total")
        if answered != seen[0][1]:
            seen[0] = (time.monotonic(), answered)
        return time.monotonic() - seen[0][0] > 1

    return check


@scenario(
    "cancelled streams", "streams of lookups, each cancelled at its first answer", times=100_000
)
def cancelled_streams(bench: Bench, times: int) -> None:
    """Memory is flat."""
    service = fill(bench)
    figures = []
    with grpc.insecure_channel(service.address) as channel:
        service_stub = stub(channel)
        for number in range(times):
            call = service_stub.LookupStream(iter([one_pair(bench)] * 3))
            next(call)
            call.cancel()
            if number % (times // 5) == times // 10:
                figures.append(memory_mb(service))
        figures.append(memory_mb(service))
    bench.note = f"memory {' → '.join(f'{mb:.0f}' for mb in figures)} MB"
    # From the first tenth on; a leak of 1 kB a stream would be 90 MB.
    if figures[-1] - figures[0] > 30:
        raise AssertionError(bench.note)
