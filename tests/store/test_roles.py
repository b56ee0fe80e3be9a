"""The roles of the services in PostgreSQL: each may do what its service does, and no more."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import pytest

from event_store.admin import tokens
from event_store.database.connection import Connection, StoreOptions
from event_store.database.migrate import migrate
from event_store.database.rights import GATEWAY_RIGHTS, READER_RIGHTS, WRITER_RIGHTS
from event_store.database.startup import check
from event_store.errors import StoreUnavailableError
from event_store.model import RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query
from tests.support.processes import wait_until
from tests.support.store import columns

RIGHTS = {
    "eventindex_ingest": WRITER_RIGHTS,
    "eventindex_index": READER_RIGHTS,
    "eventindex_gateway": GATEWAY_RIGHTS,
}


@pytest.fixture
def as_role(database_url: str) -> Iterator[dict[str, str]]:
    """The URLs of logins with the roles of the services."""
    name = uuid.uuid4().hex[:8]
    urls = {}
    for role in RIGHTS:
        execute(database_url, f"CREATE ROLE {role}_{name} LOGIN; GRANT {role} TO {role}_{name}")
        place = database_url.rpartition("@")[2]
        urls[role] = f"postgresql://{role}_{name}@{place}"
    yield urls
    for role in RIGHTS:
        execute(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename = '{role}_{name}'",
        )
        execute(database_url, f"DROP OWNED BY {role}_{name}; DROP ROLE {role}_{name}")


@pytest.mark.parametrize("role", RIGHTS)
def test_each_role_has_the_rights_that_its_service_asks_for(as_role, role) -> None:
    """A service starts with its role, without a warning about rights."""
    connection = Connection(as_role[role], StoreOptions(), autocommit=True, name="test")
    with contextlib.closing(connection):
        warnings = check(connection, RIGHTS[role])
    assert not [text for text in warnings if "role" in text and "lock_timeout" not in text]


def test_each_role_may_do_its_own_and_nothing_else(database_url, as_role) -> None:
    """Index writes nothing, ingest reads no digests and alters nothing, gateway reads no events."""
    store = Store(as_role["eventindex_ingest"])
    store.write(columns(7, range(10), [0] * 10, [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    assert query(as_role["eventindex_index"], "SELECT count(*) FROM events") == [(10,)]
    digest = f"decode('{32 * '01'}', 'hex')"
    execute(
        as_role["eventindex_ingest"],
        "INSERT INTO access_token (digest, subject, scopes, expires) "
        f"VALUES ({digest}, 'x', '{{lookup}}', now() + interval '1 hour')",
    )
    refused = {
        "eventindex_index": [
            "INSERT INTO run (run_number) VALUES (1)",
            "UPDATE event_page SET n_events = 0",
            "DELETE FROM event_page",
            "UPDATE dataset SET name = 'x'",
            "SELECT digest FROM access_token",
            "SELECT count(*) FROM dead_letter",
            "SELECT count(*) FROM http_job",
            "CREATE TABLE mine ()",
        ],
        "eventindex_ingest": [
            "SELECT digest FROM access_token",
            "SELECT * FROM access_token",
            "DELETE FROM access_token",
            "UPDATE access_token SET scopes = '{admin}'",
            "UPDATE access_token SET expires = 'infinity'",
            "DELETE FROM admin_action",
            "UPDATE admin_action SET subject = 'another'",
            "UPDATE admin_action SET request = '{}', began = now()",
            "DROP TABLE run",
            "TRUNCATE event_page",
            "ALTER TABLE run ADD COLUMN x int",
            "CREATE TABLE mine ()",
            "DELETE FROM schema_migration",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('/etc/passwd')",
        ],
        "eventindex_gateway": [
            "SELECT count(*) FROM run",
            "SELECT count(*) FROM event_page",
            "SELECT count(*) FROM events",
            "SELECT count(*) FROM raw_file",
            "SELECT count(*) FROM cosmic_event",
            "SELECT count(*) FROM dead_letter",
            "SELECT token_id FROM access_token",
            "DROP TABLE http_job",
        ],
    }
    for role, statements in refused.items():
        for statement in statements:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(as_role[role], statement)
        found = query(as_role[role], f"SELECT count(*) FROM find_access_tokens(ARRAY[{digest}])")
        assert found == [(1,)]
    assert query(database_url, "SELECT count(*) FROM access_token") == [(1,)]


def test_tokens_are_checked_and_noted_by_a_role_that_only_reads(database_url, as_role) -> None:
    """The functions run with the owner's rights, and look nowhere but in the index's schema."""
    secret = tokens.new_secret()
    digest = tokens.digest_of(secret)
    options = StoreOptions()
    owner = Connection(database_url, options, autocommit=True, name="test")
    reader = Connection(as_role["eventindex_index"], options, autocommit=True, name="test")
    with contextlib.closing(owner), contextlib.closing(reader):
        made = tokens.create(owner, digest, "x", ["lookup"], 60)
        with reader.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE access_token (digest bytea)")
        found = tokens.find(reader, [digest])
        assert found[digest].token_id == made.token_id
        tokens.note_used(reader, [made.token_id])
        assert tokens.find(reader, [digest])[digest].last_used is not None


def test_migrating_again_mends_rights(database_url, as_role) -> None:
    """What somebody granted or took away by hand is as the version has it after `migrate`."""
    execute(database_url, "GRANT ALL ON run TO eventindex_index")
    execute(database_url, "REVOKE ALL ON event_page FROM eventindex_index")
    assert migrate(database_url) == []
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(as_role["eventindex_index"], "DELETE FROM run")
    assert query(as_role["eventindex_index"], "SELECT count(*) FROM event_page") == [(0,)]


def test_a_query_that_was_given_up_ends_in_the_server_too(database_url) -> None:
    """The client gives up after its limit, and no query of it goes on for nobody."""
    options = StoreOptions(stall_timeout_s=1)
    connection = Connection(database_url, options, autocommit=True, name="given up")
    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("LOCK TABLE raw_file")

    def ask() -> None:
        with pytest.raises(StoreUnavailableError), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM raw_file")

    thread = threading.Thread(target=ask)
    thread.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'given up'"
    assert wait_until(lambda: query(database_url, running) == [(1,)])
    thread.join()
    began = time.monotonic()
    assert wait_until(lambda: query(database_url, running) == [(0,)])
    assert time.monotonic() - began < 10
    blocker.close()
    connection.close()


def test_an_owner_who_is_no_superuser_migrates(postgres, database_url) -> None:
    """Whoever owns the database and no more can make the tables and hand out their rights."""
    name = f"owner_{uuid.uuid4().hex[:8]}"
    del database_url  # the roles are there since it was made
    execute(postgres.url(), f"CREATE ROLE {name} LOGIN")
    execute(postgres.url(), f"CREATE DATABASE {name} OWNER {name}")
    url = postgres.url(name)
    try:
        assert migrate(url.replace("owner@", f"{name}@"))
        held = "SELECT has_table_privilege('eventindex_index', 'run', 'SELECT')"
        assert query(url, held) == [(True,)]
        assert migrate(url.replace("owner@", f"{name}@")) == []
    finally:
        execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")
        execute(postgres.url(), f"DROP ROLE {name}")
