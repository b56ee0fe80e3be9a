"""What comes in twice, in another order, from several sides, or with other values."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from itertools import count

from tests.conftest import query
from tests.faults.bench import RECOVERY_MAX_S, Bench
from tests.faults.ledger import Key
from tests.faults.scenario import SkippedError, scenario
from tests.faults.senders import RUNS
from tests.support.processes import Service

_EVENTS = 20_000
_VALUES = "SELECT run_number, event_number, fuid_raw::text, olt_result, dsid_raw FROM events"


def _shuffled(bench: Bench, events: int = _EVENTS, copies: int = 1) -> Iterator[Key]:
    found = [(n % RUNS, n // RUNS) for n in range(events)] * copies
    bench.random.shuffle(found)
    return iter(found)


def _writers(bench: Bench, number: int, times: int) -> None:
    services = [bench.ingest() for _ in range(number)]
    for _ in range(times):
        senders = [bench.grpc(one, 1e6, source=_shuffled(bench), batch=500) for one in services]
        for sender in senders:
            sender.finish()
    bench.conflicts_wanted = 0


@scenario(
    "two writers on the same runs",
    f"two ingest services get the same {_EVENTS:,} events, each in another order",
    times=3,
)
def two_writers(bench: Bench, times: int) -> None:
    """Each event is stored once, without a conflict."""
    _writers(bench, 2, times)


@scenario(
    "four writers on the same runs",
    f"four ingest services get the same {_EVENTS:,} events, each in another order",
    times=3,
)
def four_writers(bench: Bench, times: int) -> None:
    """Each event is stored once, without a conflict."""
    _writers(bench, 4, times)


@scenario(
    "a share group changes under load",
    "three ingest services share a subscription, for the same runs; one is stopped or killed, "
    "another joins, the one that left comes back",
    times=6,
    short=1,
)
def group_changes(bench: Bench, times: int) -> float:
    """What a member was given and did not acknowledge is its own again, or another's."""
    broker = bench.broker()
    numbers = count(1)

    def member() -> Service:
        name = f"eventindex-ingest-{next(numbers)}"
        return bench.ingest(broker.port, mqtt_share_group="faults", mqtt_client_id=name)

    members = [member() for _ in range(3)]
    bench.mqtt(broker.port)
    bench.mqtt(broker.port)
    bench.grpc(members[0])
    longest = bench.goes_on()
    for turn in range(times):
        bench.between(0.3, 1.0)
        leaves = members.pop(bench.random.randrange(len(members)))
        if turn % 2:
            leaves.kill()
        else:
            assert leaves.terminate(RECOVERY_MAX_S) == 0, leaves.tail()
        members.append(member())
        longest = max(longest, bench.goes_on())
        members.append(leaves.start())
    bench.conflicts_wanted = 0
    bench.note = f"{len(members)} members in the end"
    return longest


@scenario(
    "messages that come again, in another order",
    "3,000 events, each published three times, in a random order; ingest_service is killed twice",
    times=3,
)
def delivered_again(bench: Bench, times: int) -> None:
    """Each event is stored once, without a conflict."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    for _ in range(times):
        sender = bench.mqtt(broker.port, 2_000, source=_shuffled(bench, 3_000, copies=3))
        for _ in range(2):
            bench.between(0.5, 1)
            service.kill()
            service.start()
        sender.finish()
    bench.conflicts_wanted = 0


@scenario(
    "the same events over MQTT and by `load`",
    "the same values, both at once, in another order; ingest_service is killed twice",
    times=1,
)
def two_doors(bench: Bench, times: int) -> None:
    """Each event is stored once, without a conflict."""
    _both_doors(bench, times, seed=0)
    bench.conflicts_wanted = 0


@scenario(
    "conflicting values over MQTT and by `load`",
    "every event with another value from each, both at once; ingest_service is killed twice",
    times=1,
    short=1,
)
def conflicting(bench: Bench, times: int) -> None:
    """The first committed value stays, and there is one conflict for each event."""
    bench.conflicts_wanted = _both_doors(bench, times, seed=1)


def _both_doors(bench: Bench, times: int, seed: int) -> int:
    """The same events through both doors; how many."""
    broker = bench.broker()
    service = bench.ingest(broker.port)
    events = 3_000 * times
    senders = [
        bench.mqtt(broker.port, 1_500, source=_shuffled(bench, events)),
        bench.grpc(service, 1_500, source=_shuffled(bench, events), seed=seed),
    ]
    early: set[tuple] = set()
    for _ in range(2):
        bench.between(0.3, 0.6)
        service.kill()
        early |= set(query(bench.database, _VALUES))
        service.start()
    for sender in senders:
        sender.finish()
    bench.verdict()
    changed = early - set(query(bench.database, _VALUES))
    assert not changed, f"{len(changed)} values that were committed first did not stay"
    return events


def _faketime() -> str:
    """The library that shifts a process' clock: the Debian package `faketime`."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise SkippedError("libfaketime is not installed (the package faketime)")
    return found[0]


@scenario(
    "clocks an hour apart",
    "one ingest_service and index_service an hour ahead of PostgreSQL, another ingest_service an "
    "hour behind (libfaketime); the three are killed and started",
    times=3,
)
def clocks_apart(bench: Bench, times: int) -> float:
    """No clock decides what is stored, found or first."""
    library = _faketime()
    broker = bench.broker()
    clocks = {
        offset: {"LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for offset in ("+3600s", "-3600s")
    }
    services = [
        bench.ingest(broker.port, environment=clocks["+3600s"]),
        bench.ingest(environment=clocks["-3600s"]),
        bench.index(environment=clocks["+3600s"]),
    ]
    assert abs(_clock(services[0]) - _clock(services[1])) > 7_000
    bench.mqtt(broker.port, 200)
    for service in services[:2]:
        bench.grpc(service, 500)
    bench.lookups(services[2])
    longest = 0.0
    for _ in range(times):
        bench.goes_on()
        for service in services:
            service.kill()
        for service in services:
            service.start()
        longest = max(longest, bench.goes_on())
    return longest


def _clock(service: Service) -> float:
    """When a service believes that it was started, seconds."""
    return service.metric("eventindex_broker_connections_created")
