"""Errors inside a use of a connection: what they mean, and what they cost."""

from __future__ import annotations

import uuid

import grpc
import psycopg2
import pytest

from event_store.database.connection import copy_rows
from event_store.database.driver import translate
from event_store.database.sqlstate import Meaning, meaning
from event_store.errors import CorruptPageError, NotFoundError, StoreError, StoreUnavailableError
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute, query
from tests.support.processes import Service
from tests.support.sessions import opened


def test_what_is_not_there_costs_no_connection(database_url):
    """The same server process answers before and after NOT_FOUND, in and out of a transaction."""
    for autocommit in (True, False):
        connection = opened(database_url, autocommit=autocommit)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        before = connection.backend_pid
        for _ in range(3):
            with pytest.raises(NotFoundError), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                raise NotFoundError("run 7 is not in the index")
        with pytest.raises(StoreError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            assert cursor.fetchone() == (before,)
        assert connection.backend_pid == before
        connection.close()


def test_an_absent_event_asked_for_often_opens_no_connection(database_url):
    """A client that polls the service for what is not there keeps its sessions busy, not new."""
    sessions = (
        "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND starts_with(application_name, 'eventindex')"
    )
    service = Service("index_service", database_url=database_url, database_connections_max=1)
    try:
        with grpc.insecure_channel(service.start().address) as channel:
            stub = lookup_pb2_grpc.IndexServiceStub(channel)

            def ask() -> None:
                for call, request in (
                    (stub.GetFile, lookup_pb2.GetFileRequest(fuid_raw=str(uuid.UUID(int=1)))),
                    (stub.GetEvent, lookup_pb2.GetEventRequest(run_number=7, event_number=1)),
                ):
                    with pytest.raises(grpc.RpcError) as caught:
                        call(request)
                    assert caught.value.code() is grpc.StatusCode.NOT_FOUND

            ask()
            before = query(database_url, sessions)
            for _ in range(5):
                ask()
            assert query(database_url, sessions) == before
    finally:
        service.close()


def test_a_copy_that_is_broken_off_costs_its_connection_alone(database_url):
    """What is left of it is never taken for the next answer."""
    connection = opened(database_url, autocommit=False)

    def refuse(row: bytes) -> None:
        raise CorruptPageError("this row")

    with pytest.raises(CorruptPageError), connection.cursor() as cursor:
        copy_rows(cursor, "COPY (SELECT generate_series(1, 100000)) TO STDOUT", refuse)
    assert connection.backend_pid is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT 4917")
        assert cursor.fetchall() == [(4917,)]
    connection.close()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("08000 08003 08006 08P01 25006 25P03 25P04 26000 57P01 57P02 57P03 57P05", Meaning.AWAY),
        ("40001 40P01 53000 53100 53200 53300 55006 55P03 57014 58030", Meaning.BUSY),
        ("58P01 XX001 XX002", Meaning.DAMAGED),
        (
            "0A000 21000 22003 22021 23505 25001 25P02 2F002 34000 38000 39000 3D000",
            Meaning.REFUSED,
        ),
        ("3F000 40002 42501 42601 42703 42804 42883 42P01 42P05 53400 54000", Meaning.REFUSED),
        ("54001 55000 55P02 HV000 P0001 XX000", Meaning.REFUSED),
    ],
)
def test_what_a_sqlstate_means(codes, expected):
    """A statement that cannot work is never taken for a database that is away."""
    assert {code: meaning(code) for code in codes.split()} == dict.fromkeys(codes.split(), expected)


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("SELECT * FROM nowhere", StoreError, "42P01"),
        ("SELECT nothing()", StoreError, "eventindex migrate"),
        ("SELEC", StoreError, "42601"),
        ("CREATE TABLE pg_catalog.mine (a int)", StoreError, "42501"),
        ("DO $$ BEGIN RAISE feature_not_supported; END $$", StoreError, "0A000"),
        ("DO $$ BEGIN RAISE program_limit_exceeded; END $$", StoreError, "54000"),
        ("DO $$ BEGIN RAISE data_corrupted; END $$", CorruptPageError, "XX001"),
        ("DO $$ BEGIN RAISE read_only_sql_transaction; END $$", StoreUnavailableError, "25006"),
        ("DO $$ BEGIN RAISE deadlock_detected; END $$", StoreUnavailableError, "40P01"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", StoreUnavailableError, "57P01|closed"),
    ],
)
def test_errors_of_statements(statement, kind, words, database_url):
    """Each is named by its SQLSTATE, as what it is, and the next use works."""
    connection = opened(database_url, autocommit=False)
    with pytest.raises(kind, match=words) as caught, connection.cursor() as cursor:
        cursor.execute(statement)
    assert isinstance(caught.value, StoreUnavailableError) == (kind is StoreUnavailableError)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()


def test_errors_without_a_sqlstate():
    """A connection that broke is away; what the driver itself refuses is refused."""
    for kind in (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.DatabaseError):
        assert isinstance(translate(kind("gone")), StoreUnavailableError)
    for kind in (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError):
        assert isinstance(translate(kind("cannot adapt")), StoreError)


def test_a_caller_is_told_that_trying_again_does_not_help(database_url, index_address):
    """A right that was taken away is INTERNAL, not UNAVAILABLE: clients try the latter again."""
    pair = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
    with grpc.insecure_channel(index_address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        assert stub.Lookup(pair).not_found == 1
        execute(database_url, "ALTER TABLE run RENAME COLUMN generation TO other")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Lookup(pair)
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "generation" not in caught.value.details()
        execute(database_url, "ALTER TABLE run RENAME COLUMN other TO generation")
        assert stub.Lookup(pair).not_found == 1
