"""docs/catalogue.md: every call that it shows is answered, with nothing but reflection."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from eventindex.v1 import event_pb2, ingest_pb2, ingest_pb2_grpc, lookup_pb2
from tests.support.docs_calls import Reflected, shown_calls

CALLS = shown_calls("catalogue.md")
FUID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.usefixtures("statements")
def test_every_shown_call_is_answered(ingest_address, index_address):
    """Each method with its JSON request has an answer that is not empty, on the dump's run."""
    records = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes().splitlines()
    more = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
        run_numbers=[12345],
        event_numbers=[4917, 4999],
        file_indexes=[1, 1],
        olt_results=[4, 4],
    )
    with grpc.insecure_channel(ingest_address) as channel:
        stub = ingest_pb2_grpc.IngestServiceStub(channel)
        batch = ingest_pb2.CosmicBatch(detector_id="0", records=records)
        assert next(stub.IngestCosmic(iter([batch]), timeout=60)).inserted == 3
        other = event_pb2.EventBatch()
        other.CopyFrom(more)
        other.files[0].dsid_raw = 5
        acks = list(stub.Ingest(iter([more, other]), timeout=60))
        assert [(ack.inserted, ack.conflicts) for ack in acks] == [(2, 0), (0, 2)]
    with grpc.insecure_channel(index_address) as channel:
        service = Reflected(channel, "IndexService")
        for name, text in CALLS:
            answers = service.answers(name, text)
            assert answers, (name, text)
            assert all(answer.ByteSize() for answer in answers), (name, text, answers)


def test_every_method_is_shown():
    """The page shows a call of each method of IndexService."""
    contract = lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]
    assert {name for name, _ in CALLS} == {method.name for method in contract.methods}
