"""Faults of the ingest service itself."""

from __future__ import annotations

import time
from itertools import islice

from tests.faults.bench import Bench
from tests.faults.proxy import Commit
from tests.faults.scenario import scenario
from tests.support.processes import Service, wait_until

_KILLS_WITHOUT_ANSWER_MAX = 10


def _restart(bench: Bench, service: Service) -> float:
    began = time.monotonic()
    service.start(wait="")
    bench.goes_on()
    return time.monotonic() - began


def _answers(bench: Bench) -> None:
    """Wait for an acknowledgement over gRPC: a client that never gets one gives up."""
    known = len(bench.ledger.committed)
    wait_until(lambda: len(bench.ledger.committed) > known, 60, "an acknowledgement over gRPC")


@scenario(
    "ingest_service is killed",
    "kill -9 at random moments, load over MQTT and gRPC",
    times=200,
    short=2,
)
def ingest_killed(bench: Bench, times: int) -> float:
    """Whatever the service had not acknowledged comes again."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    bench.mqtt(broker.port, 200)
    bench.grpc(service, 500)
    bench.goes_on()
    longest = 0.0
    for number in range(times):
        bench.between(0, 0.3)
        service.kill()
        longest = max(longest, _restart(bench, service))
        if number % _KILLS_WITHOUT_ANSWER_MAX == 0:
            _answers(bench)
    return longest


@scenario(
    "ingest_service is killed between COMMIT and acknowledgement",
    "a proxy holds back PostgreSQL's answer to COMMIT, then kill -9",
    times=20,
    short=1,
)
def ingest_killed_at_commit(bench: Bench, times: int) -> float:
    """What was committed and not acknowledged comes again and is a duplicate."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    bench.mqtt(broker.port, 200)
    bench.grpc(service, 500)
    bench.goes_on()
    longest = 0.0
    for number in range(times):
        bench.between(0, 0.2)
        bench.link.cut_at_commit(Commit.AFTER, service.kill)
        assert bench.link.commit_seen.wait(30), "no COMMIT"
        longest = max(longest, _restart(bench, service))
        if number % _KILLS_WITHOUT_ANSWER_MAX == 0:
            _answers(bench)
    return longest


@scenario(
    "ingest_service is stopped under load",
    "SIGTERM at random moments, load over MQTT and gRPC",
    times=15,
)
def ingest_stopped(bench: Bench, times: int) -> float:
    """It stores and acknowledges what it has, and ends with 0 within its grace period."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    bench.mqtt(broker.port, 1_000)
    bench.grpc(service, 5_000, batch=500)
    bench.goes_on()
    longest = slowest_exit = 0.0
    for _ in range(times):
        bench.between(0, 0.5)
        began = time.monotonic()
        assert service.terminate(timeout=15) == 0, service.tail()
        slowest_exit = max(slowest_exit, time.monotonic() - began)
        longest = max(longest, _restart(bench, service))
    bench.note = f"slowest exit {slowest_exit:.1f} s"
    return longest


@scenario(
    "malformed messages",
    "10,000 malformed messages (10 receive windows) among 10,000 good ones; kill -9 in between",
    times=5,
)
def malformed_messages(bench: Bench, times: int) -> float:
    """All good ones are stored, and each bad one is a dead letter."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    source = islice(bench.keys, 20_000)
    sender = bench.mqtt(broker.port, 2_000, source=source, bad_share=0.5)
    longest = 0.0
    for _ in range(times):
        bench.between(0.3, 1.0)
        service.kill()
        longest = max(longest, _restart(bench, service))
    sender.finish()
    return longest
