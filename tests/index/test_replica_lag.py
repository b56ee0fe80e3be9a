"""How far a read replica is behind."""

from __future__ import annotations

import pytest

from event_store.database.migrate import migrate
from tests.conftest import execute, query
from tests.support.processes import PostgresServer, Service, wait_until

LAG = "eventindex_database_replay_lag_seconds"


@pytest.mark.slow
def test_a_replica_that_replays_nothing_is_told_by_its_age(request):
    """The metric rises while it does not follow, is 0 once it has all, and on a primary always."""
    primary = PostgresServer()
    request.addfinalizer(primary.close)
    primary.start(wal_level="replica", max_wal_senders=4)
    migrate(primary.url())
    replica = PostgresServer(copy_of=primary)
    request.addfinalizer(replica.close)
    replica.start()
    services = [
        Service("index_service", database_url=server.url()) for server in (primary, replica)
    ]
    for service in services:
        request.addfinalizer(service.close)
        service.start()
    execute(primary.url(), "CREATE TABLE noted (id integer)")
    there = "SELECT to_regclass('noted') IS NOT NULL"
    wait_until(lambda: query(replica.url(), there) == [(True,)], what="the replica's copy")
    wait_until(lambda: services[1].metric(LAG) == 0, what="no lag of an idle replica")
    execute(replica.url(), "SELECT pg_wal_replay_pause()")
    execute(primary.url(), "INSERT INTO noted VALUES (1)")
    wait_until(lambda: services[1].metric(LAG) > 2, what="the lag")
    assert services[0].metric(LAG) == 0
    execute(replica.url(), "SELECT pg_wal_replay_resume()")
    wait_until(lambda: services[1].metric(LAG) == 0, what="the end of the lag")
