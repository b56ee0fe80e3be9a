"""An event is found as soon as its batch is acknowledged, whatever else goes on."""

from __future__ import annotations

import queue
import threading
import uuid

import grpc
import pytest

from eventindex.v1 import event_pb2, ingest_pb2_grpc, lookup_pb2, lookup_pb2_grpc
from tests.conftest import query

WRITERS = 10
EVENTS_EACH = 1000


@pytest.mark.slow
def test_ten_thousand_events_are_found_right_after_their_acknowledgement(
    database_url, index_address, ingest_address
):
    """Ten writers fill the same pages of one run; each looks its event up after every ack."""
    missing: list[int] = []
    done: list[int] = []

    def write_and_look(writer: int) -> None:
        fuid = str(uuid.UUID(int=writer + 1))
        batches: queue.SimpleQueue = queue.SimpleQueue()
        with (
            grpc.insecure_channel(ingest_address) as to,
            grpc.insecure_channel(index_address) as of,
        ):
            acks = ingest_pb2_grpc.IngestServiceStub(to).Ingest(iter(batches.get, None))
            index = lookup_pb2_grpc.IndexServiceStub(of)
            for turn in range(EVENTS_EACH):
                event = turn * WRITERS + writer
                batches.put(
                    event_pb2.EventBatch(
                        batch_id=event,
                        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=writer)],
                        run_numbers=[7],
                        event_numbers=[event],
                        file_indexes=[1],
                    )
                )
                ack = next(acks)
                assert (ack.batch_id, ack.inserted) == (event, 1)
                answer = index.Lookup(
                    lookup_pb2.LookupRequest(run_numbers=[7], event_numbers=[event])
                )
                if [file.fuid_raw for file in answer.files] != [fuid]:
                    missing.append(event)
            batches.put(None)
            done.append(writer)

    threads = [threading.Thread(target=write_and_look, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert sorted(done) == list(range(WRITERS))
    total = WRITERS * EVENTS_EACH
    assert query(database_url, "SELECT count(*), count(DISTINCT event_number) FROM events") == [
        (total, total)
    ]
