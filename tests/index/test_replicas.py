"""index_service on a primary's replicas behind one URL: one each, and never too early."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psycopg2
import pytest

import eventindex
from event_store.database.migrate import migrate
from eventindex import EventColumns, InvalidRequestError, RawFile, UnavailableError
from tests.conftest import execute
from tests.support.processes import PostgresServer, Service, wait_until

# Three servers; minutes beside other work.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replicas")]
FILES = [RawFile("00000000-0000-0000-0000-000000000001", 1)]
WAIT_S = 60


@pytest.fixture
def cluster():
    """A primary and two replicas that follow it."""
    with contextlib.ExitStack() as stack:
        primary = PostgresServer()
        stack.callback(primary.close)
        primary.start(hot_standby_feedback="on")
        execute(primary.url(), "CREATE DATABASE eventindex")
        migrate(primary.url("eventindex"))
        replicas = []
        for _ in range(2):
            replica = PostgresServer(copy_of=primary)
            stack.callback(replica.close)
            replica.start(wal_receiver_status_interval=1)
            replicas.append(replica)
        yield primary, replicas


@pytest.fixture
def services(cluster):
    """Ingest into the primary, and what makes an index on the replicas."""
    primary, replicas = cluster
    with contextlib.ExitStack() as stack:
        ingest = Service("ingest_service", database_url=primary.url("eventindex"))
        stack.callback(ingest.close)
        ingest.start(wait="")

        def index(**settings: object) -> Service:
            places = ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
            url = f"postgresql://owner@{places}/eventindex?load_balance_hosts=random"
            service = Service("index_service", database_url=url, **settings)
            stack.callback(service.close)
            return service.start()

        yield ingest, index


def sessions(server: PostgresServer) -> int:
    """How many connections of index_service a server has."""
    with contextlib.closing(psycopg2.connect(server.url("eventindex"))) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ 'index_service'"
        )
        return cursor.fetchone()[0]


def store(client: eventindex.Client, run: int, events) -> str:
    """Store events; the token of the acknowledgement."""
    columns = EventColumns(FILES, [run], list(events), [1] * len(events))
    (ack,) = client.ingest([columns], timeout=WAIT_S)
    assert ack.inserted == len(events)
    assert ack.commit_token
    return ack.commit_token


def hold_back(server: PostgresServer, delay: str) -> None:
    """Let a replica replay commits later, or at once again."""
    execute(server.url(), f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'")
    execute(server.url(), "SELECT pg_reload_conf()")


def connect(ingest: Service, index: Service) -> eventindex.Client:
    return eventindex.connect(index.address, ingest_address=ingest.address, timeout=WAIT_S)


def test_a_worker_keeps_to_one_replica_and_goes_to_the_next_as_a_whole(cluster, services):
    """Callers at once: each page is read once; with its server gone, once more, no call fails."""
    _, replicas = cluster
    ingest, start = services
    index = start()
    with connect(ingest, index) as client:
        token = store(client, 7, range(0, 8192 * 40, 8192))
        client.lookup([(7, 0)], commit_token=token)
        before = index.metric("eventindex_cache_misses_total")
        events = np.arange(0, 8192 * 40, 8192)

        def look(_: int) -> int:
            return client.lookup((np.full(40, 7), events)).found

        with ThreadPoolExecutor(8) as callers:
            assert set(callers.map(look, range(200))) == {40}
            misses = index.metric("eventindex_cache_misses_total") - before
            assert misses <= 8 * 40
            (used,) = [server for server in replicas if sessions(server)]
            (other,) = [server for server in replicas if server is not used]
            calls = callers.map(look, range(400))
            used.stop()
            assert set(calls) == {40}
            assert set(callers.map(look, range(50))) == {40}
        assert sessions(other)
        assert index.page("/readyz")[0] == 200
        # The one that comes back does not get a part of the connections.
        used.start()
        assert set(map(look, range(50))) == {40}
        assert not sessions(used)
        execute(other.url(), "SELECT pg_promote()")
        assert set(map(look, range(50))) == {40}


def test_workers_use_all_replicas(cluster, services):
    """Two workers are on two replicas."""
    _, replicas = cluster
    _, start = services
    start(index_workers=2)
    wait_until(lambda: all(sessions(server) for server in replicas), what="both replicas are used")


def test_a_lookup_waits_for_what_was_acknowledged(cluster, services):
    """On a replica that is held back a token waits, then is UNAVAILABLE, and never not found."""
    _, replicas = cluster
    ingest, start = services
    index = start(replica_lag_max_s=1, replica_wait_max_s=1)
    for server in replicas:
        hold_back(server, "1h")
    with connect(ingest, index) as client:
        token = store(client, 8, [1, 2])
        assert client.lookup([(8, 1)]).found == 0
        with pytest.raises(UnavailableError, match="replica does not have yet"):
            client.lookup([(8, 1)], commit_token=token, timeout=3)
        with pytest.raises(UnavailableError, match="replica does not have yet"):
            list(client.lookup_stream([[(8, 1)]], commit_token=token, retry_seconds_max=0))
        wait_until(lambda: index.page("/readyz")[0] == 503, what="not ready")
        assert "EVENTINDEX_REPLICA_LAG_MAX_S" in index.page("/readyz")[1]
        assert index.metric("eventindex_database_replica_lag_seconds") > 1
        for server in replicas:
            hold_back(server, "0")
        assert client.lookup([(8, 1)], commit_token=token).found == 1
        wait_until(lambda: index.page("/readyz")[0] == 200, what="ready again")
        assert index.metric("eventindex_database_replica_lag_seconds") < 1
        with pytest.raises(InvalidRequestError, match="commit_token is 'x'"):
            client.lookup([(8, 1)], commit_token="x")
        with pytest.raises(InvalidRequestError, match="another database"):
            client.lookup([(8, 1)], commit_token="1:0/1")


def test_a_token_is_found_at_once_on_the_primary(cluster, services):
    """Who asks the primary waits for nothing."""
    primary, _ = cluster
    ingest, _ = services
    index = Service("index_service", database_url=primary.url("eventindex")).start()
    try:
        with connect(ingest, index) as client:
            token = store(client, 9, [1])
            assert client.lookup([(9, 1)], commit_token=token).found == 1
            assert index.metric("eventindex_database_replica_lag_seconds") == 0
    finally:
        index.close()
