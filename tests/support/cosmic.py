"""Telescope records: sent over gRPC, and read out of index_service."""

from __future__ import annotations

import json
from pathlib import Path

from event_store.telescope.names import cosmic_fuid
from eventindex.v1 import ingest_pb2, ingest_pb2_grpc, lookup_pb2

DUMP = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes().splitlines()
DUMP_FUID = str(cosmic_fuid("0", 12345, 2))
LIMIT = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]


def sender(channel):
    stub = ingest_pb2_grpc.IngestServiceStub(channel)

    def send(records, detector="0"):
        batch = ingest_pb2.CosmicBatch(batch_id=1, detector_id=detector, records=records)
        return next(stub.IngestCosmic(iter([batch]), timeout=60))

    return send


def record(run, event, block=0, timestamp=0, **fields):
    """A telescope's line."""
    values = {"RunNumber": run, "EventNumber": event, "CosmicBlock": block, "Timestamp": timestamp}
    return json.dumps(values | fields).encode()


def events(stub, **fields):
    """All records of a selection."""
    answers = stub.GetCosmicEvents(lookup_pb2.GetCosmicEventsRequest(**fields), timeout=60)
    return [event for answer in answers for event in answer.events]


def lines(stub, fuid):
    """The lines of a RAW file."""
    answers = stub.ReadRawFile(lookup_pb2.ReadRawFileRequest(fuid_raw=fuid), timeout=60)
    return [line for answer in answers for line in answer.lines]


TALK = (
    b'{\n "RunNumber": 12345, "EventNumber": 1, "CosmicBlock": null, "DetectorId": null,\n'
    b' "TriggerBits": 18446744073709551615, "TrigerCounter": -5, "Note": "\xc3\xa9 \\u0000",\n'
    b' "TDC": {"0": {"Data": [5, null, 7], "Calib": [2, null]}, "1": null}}'
)
