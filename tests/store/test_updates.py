"""Databases of earlier releases, and services that go on while a later one migrates."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import psycopg2
import pytest

import eventindex
from event_store.database import migrate as migrating
from event_store.database.migrate import OLDEST_SCHEMA, SchemaTooNewError, migrate
from tests.conftest import execute, query
from tests.support.admin import differences
from tests.support.command import DATA
from tests.support.ingest import Publisher, Topics, json_event
from tests.support.processes import POSTGRES_BIN_PATH, Mosquitto, Service, wait_until

DUMPS = sorted(DATA.glob("schema_*.sql"))
NEWEST = max(migrating.migrations())
# Rows that a migration has no business with, whatever it adds to them.
KEPT = {
    "events": "run_number, event_number, olt_result, dsid_raw, fuid_raw",
    "collection_events": "*",
    "cosmic_event": "run_number, event_number, detector_id, payload",
    "dead_letter": "topic, payload, reason, detail, source",
    "event_conflict": "run_number, event_number, offered_dsid_raw, offered_fuid_raw",
    "file_info": "fuid, name, bytes, checksum",
    "access_token": "token_id, subject, scopes, digest, expires",
    "http_job": "job_id, state, pairs",
    "http_job_chunk": "job_id, chunk_no, request",
    "olt_criterion": "bit, name",
}


def rows(url: str) -> dict[str, list[tuple]]:
    """What is in the index, in any order of its own."""
    return {
        table: sorted(query(url, f"SELECT {columns} FROM {table}"), key=repr)
        for table, columns in KEPT.items()
    }


@pytest.fixture
def empty_url(postgres) -> Iterator[str]:
    """A database without a schema."""
    execute(postgres.url(), "CREATE DATABASE of_before")
    yield postgres.url("of_before")
    execute(postgres.url(), "DROP DATABASE of_before WITH (FORCE)")


@pytest.fixture
def tomorrow(monkeypatch):
    """Adds migrations to those of this release."""

    def add(*files: str) -> None:
        more = {NEWEST + n: (f"{NEWEST + n:04}_later.sql", sql) for n, sql in enumerate(files, 1)}
        today = migrating.migrations()
        monkeypatch.setattr(migrating, "migrations", lambda: today | more)

    return add


def test_the_documents_say_which_schemas_this_release_runs_on() -> None:
    """The table of releases has this version, its schema and the oldest that it takes."""
    row = f"| {version('eventindex')} | {NEWEST} | {OLDEST_SCHEMA} to {NEWEST} |"
    assert row in (DATA.parents[1] / "docs/operations.md").read_text("utf-8")


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_a_dump_of_a_release_is_upgraded_with_all_it_holds(dump: Path, empty_url: str) -> None:
    """Every row is there afterwards, all counts agree, and events are added beside the old ones."""
    psql = [POSTGRES_BIN_PATH / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", dump, empty_url]
    subprocess.run(psql, check=True, stdout=subprocess.DEVNULL)
    before = rows(empty_url)
    assert all(before.values()), {table for table, found in before.items() if not found}
    applied = migrate(empty_url)
    assert len(applied) == NEWEST - int(dump.stem.removeprefix("schema_"))
    assert rows(empty_url) == before
    assert differences(empty_url) == []
    run, event, olt, dsid, fuid = before["events"][0]
    service = Service("ingest_service", database_url=empty_url).start()
    try:
        with eventindex.connect(ingest_address=service.address) as client:
            files = [eventindex.RawFile(fuid, dsid)]
            offered = eventindex.EventColumns(files, run, [event, 800_000], [1, 1], [olt, olt])
            (ack,) = client.ingest([offered])
        assert (ack.duplicates, ack.inserted) == (1, 1)
    finally:
        service.close()


def test_the_oldest_schema_is_enough_for_the_services(
    empty_url: str, mosquitto: Mosquitto, monkeypatch
) -> None:
    """Services may be updated before the schema, which then changes under them while they work."""
    known = migrating.migrations()
    with monkeypatch.context() as patched:
        older = {number: one for number, one in known.items() if number <= OLDEST_SCHEMA}
        assert older.keys() < known.keys()
        patched.setattr(migrating, "migrations", lambda: older)
        migrate(empty_url)
    topics = Topics()
    publisher = Publisher(mosquitto.port)
    with ExitStack() as end:
        end.callback(publisher.close)

        def start(module: str, **settings: object) -> Service:
            service = Service(module, database_url=empty_url, **settings)
            end.callback(service.close)
            return service.start()

        ingest = start("ingest_service", mqtt_url=mosquitto.url, **topics.settings)
        index = start("index_service")
        gateway = start("rest_gateway", index_address=index.address, ingest_address=ingest.address)
        client = end.enter_context(eventindex.connect(index.address, ingest_address=ingest.address))
        for event, applied in ((1, len(older)), (2, len(known))):
            if applied == len(known):
                migrate(empty_url)
            assert query(empty_url, "SELECT count(*) FROM schema_migration") == [(applied,)]
            publisher.publish(topics.json, json_event(1, event), "{")
            wait_until(lambda n=event: client.lookup([(1, n)]).found, what="the event")
            wait_until(lambda n=event: len(list(client.dead_letters())) == n, what="the letter")
        newest, oldest = client.dead_letters()
        assert (newest.reason, oldest.reason) == ("malformed", "malformed")
        assert (bool(newest.request_id), oldest.request_id) == (True, "")
        assert client.get_dead_letter(oldest.dead_letter_id).payload == b"{"
        for service in (ingest, index, gateway):
            assert "the schema is of the release before" in service.tail()
            assert service.page("/readyz")[0] == 200


def test_services_run_with_a_later_schema_that_allows_it(database_url: str, tomorrow) -> None:
    """Old services may start again after `migrate`, and come back by a rollback of a release."""
    tomorrow(f"-- runs with: {NEWEST:04}\nALTER TABLE run ADD COLUMN later integer")
    assert migrate(database_url) == [f"{NEWEST + 1:04}_later.sql"]
    for module in ("index_service", "ingest_service"):
        service = Service(module, database_url=database_url)
        try:
            service.start()
            assert "the schema is of a later release" in service.tail()
        finally:
            service.close()


def test_migrate_of_the_release_before_has_nothing_to_do(
    database_url: str, tomorrow, monkeypatch
) -> None:
    """A rollback calls it: it succeeds where the schema allows, else says what is needed."""
    today = migrating.migrations()
    tomorrow(f"-- runs with: {NEWEST:04}\nSELECT 1", "SELECT 2")
    both = migrating.migrations()
    first = {number: both[number] for number in [*today, NEWEST + 1]}
    monkeypatch.setattr(migrating, "migrations", lambda: first)
    migrate(database_url)
    monkeypatch.setattr(migrating, "migrations", lambda: today)
    assert migrate(database_url) == []
    monkeypatch.setattr(migrating, "migrations", lambda: both)
    migrate(database_url)
    monkeypatch.setattr(migrating, "migrations", lambda: first)
    with pytest.raises(SchemaTooNewError, match=f"needs services that know migration {NEWEST + 2}"):
        migrate(database_url)


def test_nobody_queues_behind_a_migration_that_waits(
    database_url: str, tomorrow, monkeypatch
) -> None:
    """It gives up its place after a short time and tries again, until it has its lock."""
    monkeypatch.setattr(migrating, "_LOCK_TIMEOUT_MS", 300)
    monkeypatch.setattr(migrating, "_PAUSE_S_MIN", 0.5)
    monkeypatch.setattr(migrating, "_PAUSE_S_MAX", 0.5)
    tomorrow("ALTER TABLE run ADD COLUMN later integer")
    # As a backup does, or somebody who forgot his transaction.
    holder = psycopg2.connect(database_url)
    holder.cursor().execute("SELECT FROM run")
    thread = threading.Thread(target=migrate, args=[database_url])
    thread.start()
    longest, ends = 0.0, time.monotonic() + 3
    while time.monotonic() < ends:
        began = time.monotonic()
        query(database_url, "SELECT count(*) FROM run")
        longest = max(longest, time.monotonic() - began)
    assert thread.is_alive()
    assert 0.1 < longest < 2.5, longest
    holder.close()
    thread.join(30)
    assert query(database_url, "SELECT later FROM run") == []


def test_an_index_is_made_while_others_write(database_url: str, tomorrow) -> None:
    """What a first attempt left behind, an invalid index, is made anew."""
    sql = "CREATE INDEX CONCURRENTLY IF NOT EXISTS run_later ON run (n_events)"
    execute(database_url, "CREATE INDEX run_later ON run (n_events)")
    execute(
        database_url,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'run_later'::regclass",
    )
    tomorrow(f"-- runs with: {NEWEST:04}\n-- concurrently\n{sql}")
    migrate(database_url)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'run_later'::regclass"
    assert query(database_url, valid) == [(True,)]
    assert query(
        database_url, f"SELECT runs_with FROM schema_migration WHERE number = {NEWEST + 1}"
    ) == [(NEWEST,)]


def test_released_migrations_stay_as_they_are() -> None:
    """Of the schema that a dump has, no later index is made with a lock on its table."""
    released = max(int(dump.stem.removeprefix("schema_")) for dump in DUMPS)
    for number, (name, sql) in migrating.migrations().items():
        locking = re.findall(r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON (\w+)", sql, re.M)
        made = set(re.findall(r"CREATE TABLE (\w+)", sql))
        assert number <= released or set(locking) <= made, name
