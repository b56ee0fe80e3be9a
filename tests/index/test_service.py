"""index_service as a process: the contract over real gRPC."""

from __future__ import annotations

import itertools
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from tests.conftest import execute
from tests.support.lookups import FILES, request, store_events
from tests.support.processes import PostgresServer, Service, wait_until


def test_a_lookup_answers_every_pair_in_order(database_url, stub):
    """Found and missing pairs in one batch: indexes in order, files distinct and used."""
    store_events(database_url, 7, [1, 2, 3], [0, 2, 0], [5, 2**64 - 1, 0])
    answer = stub.Lookup(
        request([7, 8, 7, 7, 7], [2, 2, 99, 1, 3], batch_id=42, with_olt_result=True)
    )
    assert answer.batch_id == 42
    fuids = ["", *(file.fuid_raw for file in answer.files)]
    first, third = str(FILES[0].fuid), str(FILES[2].fuid)
    assert [fuids[i] for i in answer.file_indexes] == [third, "", "", first, first]
    assert {(f.dsid_raw, f.dataset_state) for f in answer.files} == {(0, 1), (2, 1)}
    assert list(answer.olt_results) == [2**64 - 1, 0, 0, 5, 0]
    assert (answer.found, answer.not_found) == (3, 2)


def test_one_run_number_serves_all_pairs(database_url, stub):
    """A single run number stands for every pair; without being asked no mask is answered."""
    store_events(database_url, 7, [1, 2])
    answer = stub.Lookup(request([7], [2, 1, 5]))
    assert list(answer.file_indexes) == [1, 1, 0]
    assert not answer.olt_results


@pytest.mark.parametrize("empty", [request([], []), request([7], [])])
def test_an_empty_batch_is_valid(database_url, stub, empty):
    """An empty batch gets an empty answer, of a run that is in the cache too."""
    store_events(database_url, 7, [1])
    for _ in range(5):
        assert stub.Lookup(request([7], [1])).found == 1
    answer = stub.Lookup(empty)
    assert (len(answer.file_indexes), answer.found, answer.not_found) == (0, 0, 0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (request([1, 2], [1, 2, 3]), ["run_numbers", "2", "3"]),
        (request([1], [5, 2**63, 2**64 - 1]), ["event_numbers[1]", "9223372036854775808"]),
        (request([1, 2**63], [1, 1]), ["run_numbers[1]", "9223372036854775808"]),
        (request([1], range(100_001)), ["100,001", "100,000"]),
        (request([], [1]), ["run_numbers", "0"]),
    ],
)
def test_a_bad_batch_is_refused_by_name_and_value(stub, bad, words):
    """What is wrong is INVALID_ARGUMENT that names the field, the index and the value."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Lookup(bad)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for word in words:
        assert word in caught.value.details()


def test_a_stream_answers_what_came_before_a_bad_batch(database_url, stub):
    """On a stream the answers to earlier requests come first, then the error."""
    store_events(database_url, 7, [1])
    requests = [request([7], [1], batch_id=1), request([7], [2], batch_id=2), request([1, 2], [1])]
    received = []
    call = stub.LookupStream(iter(requests))
    with pytest.raises(grpc.RpcError) as failure:
        received.extend((answer.batch_id, answer.found) for answer in call)
    assert received == [(1, 1), (2, 0)]
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_answers_arrive_while_requests_are_still_sent(database_url, stub):
    """A stream without an end is answered request by request."""
    store_events(database_url, 7, [1])
    answered = iter(stub.LookupStream(request([7], [n]) for n in itertools.count(1)))
    assert next(answered).found == 1
    assert next(answered).found == 0
    answered.cancel()


def test_get_event_and_what_is_not_there(database_url, stub):
    """GetEvent answers all five columns, or NOT_FOUND with the pair."""
    store_events(database_url, 7, [9], [1], [2**63])
    answer = stub.GetEvent(lookup_pb2.GetEventRequest(run_number=7, event_number=9))
    event = answer.event
    assert (event.run_number, event.event_number, event.olt_result) == (7, 9, 2**63)
    assert (event.dsid_raw, event.fuid_raw) == (1, str(FILES[1].fuid))
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetEvent(lookup_pb2.GetEventRequest(run_number=7, event_number=10))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "10" in caught.value.details()


def test_runs_come_page_by_page(database_url, stub):
    """ListRuns gives counts and bounds, in pages that a token continues."""
    for run in (3, 1, 2):
        store_events(database_url, run, range(run))
    first = stub.ListRuns(lookup_pb2.ListRunsRequest(page_size=2))
    rest = stub.ListRuns(lookup_pb2.ListRunsRequest(page_size=2, page_token=first.next_page_token))
    assert [(r.run_number, r.events, r.event_last) for r in (*first.runs, *rest.runs)] == [
        (1, 1, 0),
        (2, 2, 1),
        (3, 3, 2),
    ]
    assert rest.next_page_token == ""
    with pytest.raises(grpc.RpcError) as caught:
        stub.ListRuns(lookup_pb2.ListRunsRequest(page_token="nonsense"))
    assert "nonsense" in caught.value.details()


def test_every_method_is_there_for_reflection_and_health(index_address):
    """Health says SERVING and reflection lists the service."""
    with grpc.insecure_channel(index_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "eventindex.v1.IndexService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        listed = next(
            iter(
                reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                    iter([reflection_pb2.ServerReflectionRequest(list_services="")])
                )
            )
        )
        names = {service.name for service in listed.list_services_response.service}
        assert "eventindex.v1.IndexService" in names


def test_a_database_that_is_away_is_unavailable_and_comes_back():
    """Without the database lookups fail with UNAVAILABLE; they work again by themselves."""
    server = PostgresServer()
    server.start()
    execute(server.url(), "CREATE DATABASE index")
    from event_store.database.migrate import migrate

    migrate(server.url("index"))
    store_events(server.url("index"), 7, [1])
    service = Service("index_service", database_url=server.url("index")).start()
    try:
        with grpc.insecure_channel(service.address) as channel:
            stub = lookup_pb2_grpc.IndexServiceStub(channel)
            assert stub.Lookup(request([7], [1])).found == 1
            server.kill()
            with pytest.raises(grpc.RpcError) as caught:
                stub.Lookup(request([7], [1]))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "SELECT" not in caught.value.details()
            wait_until(lambda: service.page("/readyz")[0] == 503, what="/readyz 503")
            assert service.page("/healthz")[0] == 200
            assert service.metric("eventindex_database_up") == 0
            server.start()
            wait_until(lambda: service.page("/readyz")[0] == 200, 10, "/readyz 200")
            assert stub.Lookup(request([7], [1])).found == 1
    finally:
        service.close()
        server.close()


def test_sigterm_lets_a_running_stream_end(database_url):
    """After SIGTERM a stream in progress is answered; the process ends with 0."""
    store_events(database_url, 7, [1])
    service = Service("index_service", database_url=database_url).start()
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)

        def requests():
            yield request([7], [1])
            yield request([7], [1])

        call = stub.LookupStream(requests())
        assert next(call).found == 1
        service.process.send_signal(signal.SIGTERM)
        assert next(call).found == 1
        assert list(call) == []
    assert service.process.wait(20) == 0
    service.close()


def test_lookups_show_in_the_metrics(database_url):
    """Pairs by outcome, requests by method and code, the cache's hits and bytes."""
    store_events(database_url, 7, [1])
    service = Service("index_service", database_url=database_url).start()
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        for _ in range(2):
            stub.Lookup(request([7], [1, 2]))
    assert service.metric('eventindex_lookup_pairs_total{outcome="found"}') == 2
    assert service.metric('eventindex_lookup_pairs_total{outcome="not_found"}') == 2
    assert service.metric('eventindex_request_seconds_count{code="OK",method="Lookup"}') == 2
    assert service.metric("eventindex_cache_hits_total") == 2
    assert service.metric("eventindex_cache_bytes") > 0
    assert service.metric("eventindex_build_info") == 1
    assert service.terminate() == 0
    service.close()
