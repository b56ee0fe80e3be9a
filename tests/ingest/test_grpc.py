"""The gRPC door: acknowledgements in order, refusals, back-pressure, a database that is away."""

from __future__ import annotations

import json
import queue
import uuid
from pathlib import Path

import grpc
import pytest

from event_store.database.migrate import migrate
from eventindex.v1 import event_pb2, ingest_pb2, ingest_pb2_grpc
from tests.conftest import execute, query
from tests.support.ingest import FUID, check_balance, wait_for_events
from tests.support.processes import PostgresServer, Service, wait_until

DUMP = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes().splitlines()


def batch(batch_id: int, events, run: int = 1, **changes) -> event_pb2.EventBatch:
    """Return a batch of events of one run in one file."""
    columns = {
        "batch_id": batch_id,
        "files": [event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
        "run_numbers": [run],
        "event_numbers": events,
        "file_indexes": [1] * len(events),
    }
    return event_pb2.EventBatch(**columns | changes)


@pytest.fixture
def service(database_url):
    """A service without a broker."""
    service = Service("ingest_service", database_url=database_url)
    yield service.start()
    service.close()


@pytest.fixture
def stub(service):
    """A client of the service."""
    with grpc.insecure_channel(service.address) as channel:
        yield ingest_pb2_grpc.IngestServiceStub(channel)


def test_one_acknowledgement_a_batch_in_order(stub, service, database_url):
    """Acknowledgements come in the order of the batches, and their events are committed."""
    requests = [batch(i, range(i * 100, i * 100 + 100)) for i in range(200)]
    acks = list(stub.Ingest(iter(requests), timeout=60))
    assert [ack.batch_id for ack in acks] == list(range(200))
    assert all(ack.inserted == 100 for ack in acks)
    wait_for_events(database_url, 20_000)
    check_balance(service, "grpc")


def test_acknowledged_means_committed(stub, database_url):
    """A sender that waits for each acknowledgement finds its events, and waits for nothing else."""
    requests: queue.SimpleQueue = queue.SimpleQueue()
    acks = stub.Ingest(iter(requests.get, None), timeout=60)
    for number in range(100):
        requests.put(batch(number, [number]))
        assert next(acks).inserted == 1
        assert query(database_url, "SELECT count(*) FROM events")[0][0] == number + 1
    requests.put(None)


def test_duplicates_conflicts_and_rejections_are_counted(stub, service):
    """The acknowledgement says what became of every event."""
    bad = batch(2, [1, 2, 2**63, 3], olt_results=[0, 9, 0, 0])
    acks = list(stub.Ingest(iter([batch(1, [1, 2]), bad]), timeout=60))
    assert (acks[0].inserted, acks[0].rejected) == (2, 0)
    second = acks[1]
    assert (second.inserted, second.duplicates, second.conflicts, second.rejected) == (1, 1, 1, 1)
    assert second.rejections[0].index == 2
    assert "event_number is 9223372036854775808" in second.rejections[0].reason
    check_balance(service, "grpc")


def test_frozen_dataset_is_a_rejection(stub, database_url):
    """Events of a dataset that is closed are refused one by one; the others are stored."""
    list(stub.Ingest(iter([batch(1, [1])]), timeout=60))
    execute(database_url, "UPDATE dataset SET state = 2 WHERE dsid_raw = 4")
    files = [event_pb2.RawFile(fuid_raw=FUID, dsid_raw=dsid) for dsid in (4, 5)]
    mixed = batch(2, [10, 11, 2**63, 12], files=files, file_indexes=[2, 1, 1, 2])
    ack = next(stub.Ingest(iter([mixed]), timeout=60))
    assert (ack.inserted, ack.rejected) == (2, 2)
    assert [(r.index, r.reason.partition(":")[0]) for r in ack.rejections] == [
        (1, "closed_dataset"),
        (2, "out_of_range"),
    ]


def test_malformed_batch_ends_the_stream_after_earlier_acknowledgements(stub, database_url):
    """INVALID_ARGUMENT names the batch and the first bad index; what went before stands."""
    bad = batch(8, [3, 4], file_indexes=[1, 2])
    answers = stub.Ingest(iter([batch(7, [1, 2]), bad, batch(9, [5])]), timeout=60)
    assert next(answers).batch_id == 7
    with pytest.raises(grpc.RpcError) as error:
        next(answers)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "batch 8: file_indexes[1] is 2" in error.value.details()
    assert query(database_url, "SELECT count(*) FROM events") == [(2,)]


def test_empty_batch_is_acknowledged(stub):
    """A batch of no events is valid."""
    assert next(stub.Ingest(iter([event_pb2.EventBatch(batch_id=3)]), timeout=60)).batch_id == 3


def test_large_batch_with_many_refusals(service):
    """A message of 100,000 events, all refused, is answered within the message limit."""
    limit = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]
    with grpc.insecure_channel(service.address, limit) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        ack = next(stub.Ingest(iter([batch(1, [2**64 - 1] * 100_000)]), timeout=60))
    assert ack.rejected == len(ack.rejections) == 100_000
    assert ack.rejections[-1].index == 99_999


def test_telescope_records(stub, database_url):
    """Records go in as the detectors write them; refusals are told by index."""
    wrong = json.dumps({"RunNumber": 1, "EventNumber": 1, "DetectorId": 1}).encode()
    request = ingest_pb2.CosmicBatch(batch_id=1, detector_id="0", records=[*DUMP, wrong, b"{"])
    ack = next(stub.IngestCosmic(iter([request]), timeout=60))
    assert (ack.inserted, ack.rejected) == (3, 2)
    assert [r.index for r in ack.rejections] == [3, 4]
    counts = "SELECT collection, count(*) FROM collection_events GROUP BY 1"
    assert query(database_url, counts) == [("cosmic.0", 3)]
    again = next(stub.IngestCosmic(iter([request]), timeout=60))
    assert again.duplicates == 3
    bad = ingest_pb2.CosmicBatch(detector_id="a/b", records=DUMP)
    with pytest.raises(grpc.RpcError) as error:
        next(stub.IngestCosmic(iter([bad]), timeout=60))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_cancelled_streams_leave_the_service_well(stub, service, database_url):
    """A hundred callers that go away in the middle of a stream do no harm."""
    for number in range(100):
        requests: queue.SimpleQueue = queue.SimpleQueue()
        call = stub.Ingest(iter(requests.get, None), timeout=60)
        requests.put(batch(number, [number]))
        next(call)
        requests.put(batch(number, [1000 + number]))
        call.cancel()
        requests.put(None)
    ack = next(stub.Ingest(iter([batch(1, [5000])]), timeout=60))
    assert ack.inserted == 1
    check_balance(service, "grpc")
    assert "Traceback" not in service.tail()


def test_database_that_is_away_is_waited_for(request):
    """A stream waits while PostgreSQL is stopped, and goes on; the deadline is the client's."""
    server = PostgresServer()
    request.addfinalizer(server.close)
    server.start()
    migrate(server.url())
    service = Service("ingest_service", database_url=server.url(), retry_max_s=0.5)
    request.addfinalizer(service.close)
    service.start()
    with grpc.insecure_channel(service.address) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        assert next(stub.Ingest(iter([batch(1, [1])]), timeout=60)).inserted == 1
        server.stop()
        with pytest.raises(grpc.RpcError) as error:
            next(stub.Ingest(iter([batch(2, [2])]), timeout=1))
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        waiting = stub.Ingest(iter([batch(3, [3])]), timeout=60)
        wait_until(lambda: service.page("/readyz")[0] == 503, what="no readiness")
        server.start()
        assert next(waiting).inserted == 1
    wait_for_events(server.url(), 3)


def test_sigterm_acknowledges_and_says_unavailable(stub, service, database_url):
    """A stream that is open at SIGTERM gets its acknowledgements, then UNAVAILABLE."""
    requests: queue.SimpleQueue = queue.SimpleQueue()
    acks = stub.Ingest(iter(requests.get, None), timeout=60)
    requests.put(batch(1, [1]))
    assert next(acks).inserted == 1
    service.process.terminate()
    with pytest.raises(grpc.RpcError) as error:
        next(acks)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "stopping" in error.value.details()
    assert service.process.wait(20) == 0
    requests.put(None)


def test_sigterm_ends_in_time_while_the_database_is_away(request):
    """Nothing that is not stored is acknowledged, and the process ends within its grace."""
    server = PostgresServer()
    request.addfinalizer(server.close)
    server.start()
    migrate(server.url())
    service = Service("ingest_service", database_url=server.url(), shutdown_grace_s=1)
    request.addfinalizer(service.close)
    service.start()
    server.stop()
    with grpc.insecure_channel(service.address) as channel:
        waiting = ingest_pb2_grpc.IngestServiceStub(channel).Ingest(
            iter([batch(1, [1])]), timeout=60
        )
        wait_until(lambda: service.metric("eventindex_ingest_store_retries_total"), what="retries")
        assert service.terminate(timeout=15) == 0
        with pytest.raises(grpc.RpcError) as error:
            next(waiting)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


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
