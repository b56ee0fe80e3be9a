"""Connections to a database as people have it: other encodings, other settings, other variables."""

from __future__ import annotations

import contextlib
import uuid
from urllib.parse import quote

import numpy as np
import psycopg2
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.database.migrate import migrate
from event_store.database.session import search_path
from event_store.errors import (
    StoreUnavailableError,
    UnusableDatabaseError,
)
from event_store.lookup.reader import Reader
from event_store.model import RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query
from tests.support.refused import refused
from tests.support.sessions import PG_VARIABLES, opened
from tests.support.store import columns, reply

HOSTILE = {
    "default_transaction_isolation": "serializable",
    "statement_timeout": "200",
    "transaction_timeout": "200",
    "lock_timeout": "1",
    "idle_session_timeout": "200",
    "idle_in_transaction_session_timeout": "1",
    "search_path": "nowhere",
    "row_security": "off",
    "client_encoding": "LATIN1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Novosibirsk",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
}


def settings_of(url: str, names) -> dict[str, str]:
    """The settings of a connection of ours."""
    connection = opened(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(names),))
        found = dict(cursor.fetchall())
    connection.close()
    return found


def assert_serves(url: str) -> None:
    """What is written is found."""
    store = Store(url)
    store.write(columns(7, range(600), np.zeros(600), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    connection = opened(url)
    found = Reader(1 << 26, reply).lookup(connection, np.array([7]), np.arange(600))
    connection.close()
    assert found.file_indexes.tolist() == [1] * 600


def test_settings_of_the_database_change_nothing(database_url):
    """Whatever a role or database sets for others, ours are set on each connection."""
    expected = settings_of(database_url, HOSTILE)
    name = database_url.rpartition("/")[2]
    for setting in settings_of(database_url, HOSTILE):
        execute(database_url, f"ALTER DATABASE {name} SET {setting} = {HOSTILE[setting]!r}")
    assert settings_of(database_url, HOSTILE) == expected
    assert expected["search_path"] == "public"
    assert migrate(database_url) == []
    assert_serves(database_url)
    connection = opened(database_url, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.5), now(), '\\x00ff'::bytea")
        _, now, data = cursor.fetchone()
    assert (now.utcoffset().total_seconds(), bytes(data)) == (0, b"\x00\xff")
    connection.close()


def test_options_of_the_url_are_kept(postgres, request):
    """Schema and memory that a URL asks for hold for migrate and the services; limits do not."""
    name = f"test_{uuid.uuid4().hex}"
    plain = postgres.url(name)
    execute(postgres.url(), f"CREATE DATABASE {name}")
    request.addfinalizer(lambda: execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)"))
    execute(plain, "CREATE SCHEMA mine")
    options = "-c work_mem=7777kB --search-path=mine -c statement_timeout=1"
    url = f"{plain}?options={quote(options)}"
    assert migrate(url)
    assert_serves(url)
    found = settings_of(url, ["work_mem", "search_path", "statement_timeout"])
    assert found == {"work_mem": "7777", "search_path": "mine", "statement_timeout": "100000"}
    assert query(plain, "SELECT count(*) FROM mine.event_page") == [(1,)]
    assert query(plain, "SELECT count(*) FROM mine.events") == [(600,)]
    # Without the option no second index is begun, and none is taken for empty.
    with pytest.raises(UnusableDatabaseError, match="options=-csearch_path%3Dmine"):
        migrate(plain)
    assert "options=-csearch_path%3Dmine" in refused("index_service", plain)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ("", "public"),
        ("-c work_mem=1MB", "public"),
        ("-csearch_path=a", "a"),
        ("-c search_path=a -c SEARCH_PATH=b,c", "b,c"),
        ("--search_path=a -c work_mem=1MB", "a"),
        (r"-c search_path=a,\ b", "a, b"),
    ],
)
def test_the_schemas_that_options_name(options, path):
    """All spellings that PostgreSQL takes; the last one counts."""
    assert search_path(f"postgresql://h/d?options={quote(options)}") == path


def test_variables_of_the_shell_change_nothing(database_url, monkeypatch):
    """The URL says it all: what psql reads from the environment is not for us."""
    for name, value in PG_VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert migrate(database_url) == []
    for name, value in PG_VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert_serves(database_url)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_another_encoding_is_refused_by_name(encoding, postgres):
    """Services and migrate say which encoding the database has, before anything goes in."""
    name = f"test_{uuid.uuid4().hex}"
    create = f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
    execute(postgres.url(), create)
    url = postgres.url(name)
    try:
        with pytest.raises(UnusableDatabaseError, match=f"encoding of the database is {encoding}"):
            migrate(url)
        for module in ("index_service", "ingest_service", "rest_gateway"):
            assert f"encoding of the database is {encoding}" in refused(module, url)
    finally:
        execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


def test_a_url_that_cannot_be_read_is_refused():
    """Nobody waits for a database behind a misspelt URL."""
    text = refused("index_service", "postgresql://127.0.0.1/x?sslmod=require", code=2)
    assert "EVENTINDEX_DATABASE_URL has a parameter 'sslmod' that libpq does not know" in text


def test_hidden_rows_and_a_closed_database_are_refused(database_url):
    """Rows that a policy hides would not be found; a frozen database takes no events."""
    role = f"weak_{uuid.uuid4().hex[:8]}"
    execute(database_url, f"CREATE ROLE {role} LOGIN")
    execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    execute(database_url, "ALTER TABLE run ENABLE ROW LEVEL SECURITY")
    text = refused("index_service", database_url.replace("owner@", f"{role}@"))
    assert "row-level security hides rows of run" in text
    name = database_url.rpartition("/")[2]
    execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "default_transaction_read_only is on" in refused("ingest_service", database_url)


def test_sql_functions_work_under_every_search_path(postgres, database_url):
    """lookup_event and events serve materialised views, and other servers over postgres_fdw."""
    assert_serves(database_url)
    name = database_url.rpartition("/")[2]
    with contextlib.closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("CREATE MATERIALIZED VIEW one AS SELECT * FROM lookup_event(7, 5)")
        cursor.execute("CREATE VIEW two AS SELECT * FROM lookup_event(7, 6)")
        cursor.execute("SET search_path = ''")
        cursor.execute("REFRESH MATERIALIZED VIEW public.one")
        cursor.execute(
            "SELECT event_number FROM public.one UNION SELECT event_number FROM public.two"
        )
        assert sorted(cursor.fetchall()) == [(5,), (6,)]
        cursor.execute("SELECT count(*) FROM public.events")
        assert cursor.fetchone() == (600,)
        cursor.execute("UPDATE public.dataset SET state = 2")
        cursor.execute("CREATE EXTENSION postgres_fdw SCHEMA public")
        cursor.execute(
            "CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw "
            f"OPTIONS (host '127.0.0.1', port '{postgres.port}', dbname '{name}')"
        )
        cursor.execute("CREATE USER MAPPING FOR owner SERVER itself OPTIONS (user 'owner')")
        cursor.execute(
            "CREATE FOREIGN TABLE public.far (event_number bigint, fuid_raw uuid) "
            "SERVER itself OPTIONS (schema_name 'public', table_name 'two')"
        )
        cursor.execute("SELECT event_number FROM public.far")
        assert cursor.fetchall() == [(6,)]


def test_a_connection_that_was_not_set_up_is_not_used(database_url):
    """A role that may not ask which server it is cannot write; it never writes in autocommit."""
    role = f"weak_{uuid.uuid4().hex[:8]}"
    execute(database_url, f"CREATE ROLE {role} LOGIN IN ROLE pg_read_all_data, pg_write_all_data")
    revoke = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    execute(database_url, revoke)
    store = Store(database_url.replace("owner@", f"{role}@"))
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="42501"):
                store.write(columns(7, [1], [0], [RawFile(uuid.UUID(int=1), 1)]))
    finally:
        store.close()
        execute(database_url, revoke.replace("REVOKE", "GRANT").replace("FROM", "TO"))
    assert query(database_url, "SELECT count(*) FROM run") == [(0,)]


def test_commits_are_durable_whatever_the_database_says(database_url):
    """With synchronous_commit off by default, the writer's own transactions have it on."""
    name = database_url.rpartition("/")[2]
    execute(database_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    connection = Connection(database_url, StoreOptions(), autocommit=False, name="test")
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchall() == [("on",)]
    connection.close()
