"""Calls while the database is silent or busy."""

from __future__ import annotations

import queue
import time

import grpc
import psycopg2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import eventindex
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import query
from tests.faults.proxy import Proxy
from tests.support.processes import Service, wait_until


def test_a_cancelled_call_on_a_silent_database_freezes_nothing(postgres, database_url, request):
    """While the database is silent, pages and health say so; the service stops within its bound."""
    proxy = Proxy(postgres.port)
    request.addfinalizer(proxy.close)
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    service = Service("index_service", database_url=url, shutdown_grace_s=1, shutdown_max_s=2)
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
        silent = (503, "database: no answer for 5 s\n")
        wait_until(lambda: service.page("/readyz") == silent, timeout=10, what="/readyz 503")
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "eventindex.v1.IndexService"):
            state = health.Check(health_pb2.HealthCheckRequest(service=name)).status
            assert state == health_pb2.HealthCheckResponse.NOT_SERVING
    began = time.monotonic()
    assert service.terminate() == 1
    assert time.monotonic() - began < 5
    assert "not drained within 2 s" in service.tail()


def test_clients_are_asked_to_connect_again(database_url, request):
    """Long-lived clients come to new instances: their calls and streams go on meanwhile."""
    service = Service("index_service", database_url=database_url, connection_age_max_s=1)
    request.addfinalizer(service.close)
    service.start()
    proxy = Proxy(service.port)
    request.addfinalizer(proxy.close)
    pair = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        more: queue.Queue[lookup_pb2.LookupRequest] = queue.Queue()
        stream = stub.LookupStream(iter(more.get, None))

        def has_a_new_connection() -> bool:
            more.put(pair)
            assert next(stream).not_found == stub.Lookup(pair).not_found == 1
            return proxy.accepted > 2

        wait_until(has_a_new_connection, what="the third connection")
        more.put(None)
        assert list(stream) == []


def test_what_outlives_the_grace_is_cut_and_our_client_goes_on(database_url, request):
    """A stream may go on for the grace and no longer; `lookup_stream` then connects again."""
    service = Service(
        "index_service", database_url=database_url, connection_age_max_s=1, connection_age_grace_s=2
    )
    request.addfinalizer(service.close)
    service.start()
    proxy = Proxy(service.port)
    request.addfinalizer(proxy.close)
    address = f"127.0.0.1:{proxy.port}"
    more: queue.Queue[lookup_pb2.LookupRequest] = queue.Queue()
    pair = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
    with grpc.insecure_channel(address) as channel:
        began = time.monotonic()
        stream = lookup_pb2_grpc.IndexServiceStub(channel).LookupStream(iter(more.get, None))
        more.put(pair)
        assert next(stream).not_found == 1
        with pytest.raises(grpc.RpcError) as cut:
            next(stream)  # nothing is asked any more
        more.put(None)
    assert cut.value.code() is grpc.StatusCode.UNAVAILABLE
    assert 2 < time.monotonic() - began < 10

    def batches():
        before = proxy.accepted
        while proxy.accepted < before + 2:
            yield [(1, 1), (1, 2)]
            time.sleep(0.05)

    with eventindex.connect(address) as client:
        assert {answer.not_found for answer in client.lookup_stream(batches())} == {2}


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
