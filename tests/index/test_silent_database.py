"""Calls while the database is silent or busy."""

from __future__ import annotations

import grpc
import psycopg2
import pytest

from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import query
from tests.faults.proxy import Proxy
from tests.support.processes import Service, wait_until


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
