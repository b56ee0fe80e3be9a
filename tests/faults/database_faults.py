"""Faults of PostgreSQL and of the way to it."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg2

from event_store.database.migrate import migrate
from tests.conftest import execute, query
from tests.faults.bench import Bench
from tests.faults.proxy import Commit
from tests.faults.scenario import scenario
from tests.support.processes import (
    PostgresServer,
    Service,
    wait_until,
)


def under_load(bench: Bench, **index_settings: object) -> tuple[Service, Service]:
    """Events over MQTT and gRPC, and lookups of what was committed."""
    broker = bench.broker()
    ingest, index = bench.ingest(broker.port), bench.index(**index_settings)
    bench.mqtt(broker.port)
    bench.grpc(ingest)
    bench.lookups(index)
    bench.goes_on()
    return ingest, index


def _repeat(bench: Bench, times: int, harm: Callable[[], None], mend: Callable[[], None]) -> float:
    """Do harm under load, mend it after a while; how long until events are stored again."""
    under_load(bench)
    longest = 0.0
    for _ in range(times):
        bench.between(0.1, 0.5)
        harm()
        bench.between(0.2, 1.0)
        mend()
        longest = max(longest, bench.goes_on())
    return longest


@scenario("PostgreSQL is killed", "kill -9 of all its processes, then a start", times=10, short=1)
def postgres_killed(bench: Bench, times: int) -> float:
    """What was committed is on disk; the rest is offered again."""
    return _repeat(bench, times, bench.server.kill, bench.server.start)


@scenario("PostgreSQL is stopped", "fast stop (SIGINT), then a start", times=10)
def postgres_stopped(bench: Bench, times: int) -> float:
    """Transactions that run are rolled back and offered again."""
    return _repeat(bench, times, bench.server.stop, bench.server.start)


@scenario("the connection breaks before COMMIT arrives", "a proxy cuts at COMMIT", times=20)
def cut_before_commit(bench: Bench, times: int) -> float:
    """The transaction is rolled back and done again."""
    return _cut_at_commit(bench, times, Commit.BEFORE)


@scenario(
    "the connection breaks after COMMIT, before its answer",
    "a proxy swallows the answer and cuts",
    times=20,
    short=1,
)
def cut_after_commit(bench: Bench, times: int) -> float:
    """The writer cannot know that it was committed: done again, all are duplicates."""
    return _cut_at_commit(bench, times, Commit.AFTER)


def _cut_at_commit(bench: Bench, times: int, where: Commit) -> float:
    def harm() -> None:
        bench.link.cut_at_commit(where)
        assert bench.link.commit_seen.wait(30), "no COMMIT"

    return _repeat(bench, times, harm, lambda: None)


@scenario("the network to PostgreSQL is cut", "a proxy ends and refuses connections", times=10)
def database_cut(bench: Bench, times: int) -> float:
    """The services connect again by themselves."""
    return _repeat(bench, times, lambda: bench.link.cut(stay=True), bench.link.heal)


@scenario(
    "the network to PostgreSQL stalls",
    "a proxy accepts and passes nothing on; the stall timeout is 3 s",
    times=5,
)
def database_stalled(bench: Bench, times: int) -> float:
    """The watchdog gives the connections up; what they had not committed is done again."""
    broker = bench.broker()
    ingest = bench.ingest(broker.port, database_stall_timeout_s=3)
    index = bench.index(database_stall_timeout_s=3)
    bench.mqtt(broker.port)
    bench.grpc(ingest)
    lookups = bench.lookups(index)
    bench.goes_on()
    longest = 0.0
    for number in range(times):
        bench.link.stall(up=number % 3 != 1, down=number % 3 != 2)
        failed = lookups.failed
        wait_until(lambda failed=failed: lookups.failed > failed, 30, "a lookup that fails")
        bench.link.heal()
        longest = max(longest, bench.goes_on())
    return longest


@scenario("the network to PostgreSQL is slow", "a proxy passes on 100 kB/s for 5 s", times=3)
def database_slow(bench: Bench, times: int) -> float:
    """Everything goes on, slower."""

    def slow() -> None:
        bench.link.bytes_per_s = 100_000
        time.sleep(4)

    return _repeat(bench, times, slow, bench.link.heal)


@scenario(
    "PostgreSQL is out of connections",
    "others take every connection, those of the services too",
    times=5,
)
def out_of_connections(bench: Bench, times: int) -> float:
    """The services wait for one."""
    taken: list[psycopg2.extensions.connection] = []

    def take_all() -> None:
        while True:
            try:
                taken.append(psycopg2.connect(bench.database))
            except psycopg2.OperationalError:
                if not _end_services(taken[0]):
                    return

    def give_back() -> None:
        for connection in taken:
            connection.close()
        taken.clear()

    return _repeat(bench, times, take_all, give_back)


def _end_services(connection: psycopg2.extensions.connection) -> bool:
    """End the services' connections; whether there were any."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'eventindex%'"
        )
        return cursor.rowcount > 0


@scenario("PostgreSQL is read-only", "default_transaction_read_only on, then off", times=5)
def read_only(bench: Bench, times: int) -> float:
    """Ingest waits; lookups go on."""

    def switch(state: str) -> None:
        execute(bench.database, f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        execute(bench.database, "SELECT pg_reload_conf()")

    return _repeat(bench, times, lambda: switch("on"), lambda: switch("off"))


@scenario(
    "failover to a replica",
    "synchronous streaming replica; kill -9 of the primary, promotion; a URL with both hosts",
    times=3,
)
def failover(bench: Bench, times: int) -> float:
    """The services find the new primary by target_session_attrs=read-write."""
    primary = PostgresServer(durable=True)
    bench.own(primary)
    primary.start()
    migrate(primary.url())
    longest = 0.0
    replica = _replica(bench, primary)
    # Both keep their ports; libpq goes to the next host where one refuses, not where a proxy
    # takes the connection and ends it.
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{replica.port}"
    bench.use_database(primary.url(), hosts, "?target_session_attrs=read-write")
    under_load(bench)
    for number in range(times):
        if number:
            replica = _replica(bench, primary, port=replica.port)
        bench.between(0.5, 1.5)
        primary.kill()
        began = time.monotonic()
        bench.use_database(replica.url(), hosts)
        query(replica.url(), "SELECT pg_promote()")
        bench.goes_on()
        longest = max(longest, time.monotonic() - began)
        primary, replica = replica, primary
    return longest


def _replica(bench: Bench, primary: PostgresServer, port: int = 0) -> PostgresServer:
    """A replica that every commit of the primary waits for."""
    replica = PostgresServer(copy_of=primary, durable=True)
    replica.port = port or replica.port
    bench.own(replica)
    replica.start()
    execute(primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'")
    execute(primary.url(), "SELECT pg_reload_conf()")
    synchronous = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"
    wait_until(lambda: query(primary.url(), synchronous), what="the synchronous replica")
    return replica
