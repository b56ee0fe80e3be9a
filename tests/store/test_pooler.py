"""A pooler between the services and PostgreSQL: supported where it keeps sessions, else refused."""

from __future__ import annotations

import uuid

import grpc
import numpy as np
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.database.migrate import migrate
from event_store.errors import UnusableDatabaseError
from event_store.lookup.reader import Reader
from event_store.model import RawFile
from event_store.write.writer import Store
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute
from tests.support.pooler import PgBouncer, needs_pgbouncer
from tests.support.processes import Service
from tests.support.refused import refused
from tests.support.store import columns, reply

pytestmark = needs_pgbouncer


@pytest.fixture
def pooled(postgres, database_url, request):
    """The test's database through a PgBouncer in some mode."""

    def start(mode: str, **more: object) -> str:
        pooler = PgBouncer(postgres, mode, **more)
        request.addfinalizer(pooler.close)
        return pooler.url(database_url)

    return start


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_keeps_no_sessions_is_refused(mode, pooled):
    """The service ends with a sentence that names the mode that works, and migrate does."""
    url = pooled(mode)
    for module in ("index_service", "ingest_service", "rest_gateway"):
        assert "set pool_mode=session" in refused(module, url)
    with pytest.raises(UnusableDatabaseError, match="pool_mode=session"):
        migrate(url)


def test_sessions_of_a_pooler_are_as_good_as_others(pooled, database_url):
    """In session mode everything works, whatever the settings of the database are."""
    name = database_url.rpartition("/")[2]
    for setting in ("search_path = nowhere", "bytea_output = escape", "statement_timeout = 50"):
        execute(database_url, f"ALTER DATABASE {name} SET {setting}")
    url = pooled("session")
    assert migrate(url) == []
    store = Store(url)
    store.write(columns(7, range(20), np.zeros(20), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    connection = Connection(url, StoreOptions(), autocommit=True, name="test")
    found = Reader(1 << 26, reply).lookup(connection, np.array([7]), np.arange(20))
    assert found.file_indexes.tolist() == [1] * 20
    assert connection.pooled
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_setting('statement_timeout')")
        # The connection's own, not that of the database.
        assert cursor.fetchone() == (connection.backend_pid, "100s")
    connection.close()
    service = Service("index_service", database_url=url)
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            pair = lookup_pb2.LookupRequest(run_numbers=[7], event_numbers=[1])
            assert lookup_pb2_grpc.IndexServiceStub(channel).Lookup(pair).found == 1
    finally:
        service.close()


def test_a_backend_of_the_one_before_is_cleaned(pooled):
    """Statements that another session prepared on the same backend are in nobody's way."""
    url = pooled("session", server_reset_query="", default_pool_size=1)
    for _ in range(2):
        connection = Connection(url, StoreOptions(), autocommit=True, name="test")
        with connection.cursor() as cursor:
            connection.prepare(cursor, "one", "SELECT 1")
            cursor.execute("EXECUTE one")
        connection.close()


def test_start_up_options_that_a_pooler_refuses_are_named(pooled):
    """Options in the URL are what the sentence is about."""
    url = pooled("session") + "?options=-c%20work_mem%3D64MB"
    text = refused("index_service", url)
    assert "a pooler refuses the start-up options of the URL" in text
    assert "unsupported startup parameter" in text
