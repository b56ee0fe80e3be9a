"""What once went wrong in the store and the reader, each held by the case that showed it."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import numpy as np
import psycopg2
import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.database.threads import DatabaseThreads
from event_store.errors import CorruptPageError, StoreUnavailableError
from event_store.lookup.block import block_of
from event_store.lookup.cache import PageCache
from event_store.lookup.reader import Reader
from event_store.model import EventColumns, Outcome, RawFile
from event_store.pages.copy import FetchedPage
from event_store.pages.format import FUID_DTYPE, PackedPage
from event_store.write.writer import Store
from eventindex.v1 import event_pb2, ingest_pb2_grpc, lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute, query
from tests.faults.proxy import Proxy
from tests.support.processes import Service, wait_until


def columns(runs, events, index, files):
    n = len(events)
    return EventColumns(
        np.broadcast_to(np.asarray(runs, np.int64), n),
        np.asarray(events, np.int64),
        np.zeros(n, np.uint64),
        np.asarray(index, np.int32),
        files,
        np.zeros(n, np.int32),
        ["test"],
    )


def reply(fuid, dsid, state):
    return (uuid.UUID(bytes=fuid), dsid, int(state))


def test_a_run_of_a_batch_may_have_more_files_than_sixteen_bits_count(database_url):
    """70,000 files in one run of a batch: every event is found in its own file."""
    n = 70_000
    files = [RawFile(uuid.UUID(int=i + 1), 1) for i in range(n)]
    store = Store(database_url)
    assert (store.write(columns(7, range(n), range(n), files)) == Outcome.INSERTED).all()
    store.close()
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    answer = Reader(1 << 26, reply).lookup(connection, np.array([7]), np.arange(n))
    connection.close()
    assert [answer.files[i - 1][0].int for i in answer.file_indexes.tolist()] == [*range(1, n + 1)]


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


def test_an_event_out_of_range_leaves_the_rest_of_its_batch(ingest_address):
    """A dataset number that cannot be refuses its own events; the others are stored."""
    files = [
        event_pb2.RawFile(fuid_raw=str(uuid.UUID(int=i)), dsid_raw=dsid)
        for i, dsid in enumerate((1, 2**31))
    ]
    batch = event_pb2.EventBatch(
        files=files, run_numbers=[7], event_numbers=[1, 2], file_indexes=[1, 2]
    )
    with grpc.insecure_channel(ingest_address) as channel:
        [ack] = ingest_pb2_grpc.IngestServiceStub(channel).Ingest(iter([batch]))
    assert (ack.inserted, ack.rejected) == (1, 1)
    assert ack.rejections[0].index == 1
    assert "2147483648" in ack.rejections[0].reason


def test_a_corrupt_page_stays_an_error(database_url):
    """A page that contradicts itself is an error at every lookup, never "not found"."""
    store = Store(database_url)
    store.write(columns(7, range(600), np.zeros(600), [RawFile(uuid.UUID(int=1), 1)]))
    store.close()
    execute(database_url, "UPDATE event_page SET n_events = 599")
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    reader = Reader(1 << 26, reply)
    for _ in range(3):
        with pytest.raises(CorruptPageError):
            reader.lookup(connection, np.array([7]), np.array([1]))
    connection.close()
    assert len(reader.cache) == len(reader.cache.files) == 0


def test_writers_notice_another_server(database_url):
    """After a restore the writer registers its datasets anew."""
    store = Store(database_url)
    batch = columns(7, [1], [0], [RawFile(uuid.UUID(int=1), 5)])
    store.write(batch)
    execute(database_url, "TRUNCATE dataset, run, event_page, raw_file")
    store._server = "the server before the restore"
    with pytest.raises(StoreUnavailableError, match="changed"):
        store.write(batch)
    assert store.write(batch).tolist() == [Outcome.INSERTED]
    store.close()
    assert query(database_url, "SELECT dsid_raw FROM dataset") == [(5,)]


def test_a_dataset_whose_name_is_taken_is_registered_all_the_same(database_url):
    """Dataset 71 is registered even when 70 is called dsid-71."""
    store = Store(database_url)
    execute(database_url, "INSERT INTO dataset (dsid_raw, name) VALUES (70, 'dsid-71')")
    store.write(columns(7, [1], [0], [RawFile(uuid.UUID(int=1), 71)]))
    store.close()
    assert query(database_url, "SELECT count(*) FROM dataset WHERE dsid_raw = 71") == [(1,)]


def sparse_page(event: int) -> PackedPage:
    fuid = np.frombuffer(uuid.UUID(int=event + 1).bytes, FUID_DTYPE)
    return PackedPage(1, np.array([event % 8192], np.uint16), fuid, np.zeros(1, np.int32), b"")


def test_a_full_cache_of_sparse_pages_stays_nearly_full():
    """Eviction frees what is needed, not everything."""
    cache = PageCache(1 << 22, reply)
    held = []
    for page_no in range(20_000):
        block = block_of([FetchedPage(1, page_no, 1, sparse_page(page_no))])
        cache.put(block, np.ones(1, np.int64), with_olt=False)
        held.append(len(cache))
    assert cache.counts.evictions
    assert min(held[12_000:]) > 0.8 * max(held)
    assert cache.nbytes <= cache.bytes_max


def test_a_cancelled_call_on_a_silent_database_freezes_nothing(postgres, database_url, request):
    """While the database is silent, pages answer; the service stops when it is told to."""
    proxy = Proxy(postgres.port)
    request.addfinalizer(proxy.close)
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    service = Service("index_service", database_url=url, shutdown_grace_s=1)
    request.addfinalizer(service.close)
    service.start()
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        pair = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
        assert stub.Lookup(pair).not_found == 1
        proxy.stall()
        with pytest.raises(grpc.RpcError) as caught:
            stub.Lookup(pair, timeout=1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: service.page("/healthz")[0] == 200, timeout=3, what="answer of /healthz")


def test_a_stalled_call_is_not_made_again(postgres, database_url, request):
    """Who has waited for a silent database as long as allowed is told so, once."""
    proxy = Proxy(postgres.port)
    request.addfinalizer(proxy.close)
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    threads = DatabaseThreads(url, StoreOptions(stall_timeout_s=1), 1, name="test")
    request.addfinalizer(threads.close)
    calls = []

    def work(connection):
        calls.append(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    asyncio.run(threads.run(work))
    proxy.stall()
    with pytest.raises(StoreUnavailableError):
        asyncio.run(threads.run(work))
    assert len(calls) == 2
    proxy.heal()
    asyncio.run(threads.run(work))


def test_a_cancelled_query_is_gone_within_a_second(database_url, index_address):
    """A caller that goes away takes its query with it."""
    blocker = psycopg2.connect(database_url)
    with blocker.cursor() as cursor:
        cursor.execute("LOCK TABLE run IN ACCESS EXCLUSIVE MODE")
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'eventindex index_service' AND wait_event_type = 'Lock'"
    )
    with grpc.insecure_channel(index_address) as channel:
        call = lookup_pb2_grpc.IndexServiceStub(channel).Lookup.future(
            lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
        )
        wait_until(lambda: query(database_url, waiting), what="the waiting query")
        call.cancel()
        wait_until(lambda: not query(database_url, waiting), timeout=2, what="end of the query")
    blocker.close()
