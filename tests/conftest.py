"""Fixtures that several test modules need: a database, a broker, the services."""

from __future__ import annotations

import os
import signal
import uuid

import psycopg2
import pytest
from hypothesis import HealthCheck, settings

from event_store.database.migrate import migrate
from event_store.write.writer import Store
from tests.support.given_server import GIVEN_URL, GivenServer
from tests.support.processes import Mosquitto, PostgresServer, Service

# `make test-model`: two hours of test_model.py.
LONG_PROFILE = "model"
settings.register_profile(
    LONG_PROFILE,
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

# A machine at work on other things answers late, not wrongly.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# The profiles of whoever runs the tests are not theirs.
os.environ["EVENTINDEX_CONFIG"] = os.devnull

# In the place of the embedded server: `make test-citus`.
GIVEN = GivenServer(GIVEN_URL) if GIVEN_URL else None
one_server = pytest.mark.skipif(
    GIVEN is not None and bool(GIVEN.nodes), reason="of one server: Citus refuses what is done here"
)

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole session; tests that stop it take one of their own."""
    if GIVEN:
        yield GIVEN
        return
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _template(postgres):
    """A migrated database that each test's own is copied from."""
    # A given server may have one of another run.
    name = f"template_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {name}")
    migrate(postgres.url(name))
    if GIVEN:
        GIVEN.make_template(name)
    # Files are copied in half the time that it takes to log them block by block.
    yield f"{name} STRATEGY FILE_COPY"
    execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres, _template):
    """The URL of a fresh, migrated database."""
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {name} TEMPLATE {_template}")
    yield postgres.url(name)
    execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mosquitto():
    """A running Mosquitto for the whole session."""
    broker = Mosquitto()
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def index_address(database_url):
    """The gRPC address of a running index_service on a fresh database."""
    service = Service("index_service", database_url=database_url)
    yield service.start().address
    service.close()


@pytest.fixture
def ingest_address(database_url):
    """The gRPC address of a running ingest_service without a broker, on the same database."""
    service = Service("ingest_service", database_url=database_url)
    yield service.start().address
    service.close()


@pytest.fixture
def services(ingest_address, index_address, monkeypatch):
    """Both services on a fresh database, found by the environment."""
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", ingest_address)
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index_address)


@pytest.fixture
def in_own_directory(request, tmp_path, monkeypatch):
    """Relative names are in a directory of the test's own; only `services` can be found."""
    monkeypatch.chdir(tmp_path)
    if "services" not in request.fixturenames:
        monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", "127.0.0.1:9")


@pytest.fixture
def store(database_url):
    """The store on a fresh database."""
    opened = Store(database_url)
    yield opened
    opened.close()


def execute(url: str, sql: str) -> None:
    """Run a statement outside of a transaction."""
    if GIVEN and GIVEN.execute(url, sql):
        return
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def query(url: str, sql: str, values: tuple = ()) -> list[tuple]:
    """The rows of a query."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    connection.close()
    return rows
