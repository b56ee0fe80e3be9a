"""What the tests of AdminService share: events sent, refusals caught, values read."""

from __future__ import annotations

import json

import grpc
import pytest

from event_store.model import DeadLetter
from eventindex.v1 import admin_pb2, event_pb2, ingest_pb2, ingest_pb2_grpc
from tests.conftest import query
from tests.support.admin import FILES

KEEP = admin_pb2.CONFLICT_RESOLUTION_KEEP
REPLACE = admin_pb2.CONFLICT_RESOLUTION_REPLACE
JSON_TOPIC = "eventindex/v1/json/daq"


def refused(call, **fields) -> tuple[grpc.StatusCode, str]:
    """The status and the text of a call that fails."""
    with pytest.raises(grpc.RpcError) as error:
        answer = call(**fields)
        for _ in answer if hasattr(answer, "cancel") else ():
            pass
    return error.value.code(), error.value.details()


def events(url: str, run: int = 1) -> dict[int, tuple[str, int, int]]:
    """The events of a run: number -> (file, dataset, olt)."""
    rows = query(
        url,
        "SELECT event_number, fuid_raw::text, dsid_raw, olt_result FROM collection_events "
        "WHERE run_number = %s",
        (run,),
    )
    return {event: tuple(values) for event, *values in rows}


def value(file: int, olt: int = 0) -> tuple[str, int, int]:
    return str(FILES[file].fuid), FILES[file].dsid, olt


def cosmic_line(event: int, **changes) -> bytes:
    fields = {"DetectorId": None, "RunNumber": 5, "EventNumber": event, "CosmicBlock": 1}
    return json.dumps(fields | {"TriggerBits": 3, "Timestamp": 10} | changes).encode()


def send_cosmic(channel, detector: str, *lines: bytes) -> ingest_pb2.IngestAck:
    """Send telescope records; the acknowledgement."""
    stub = ingest_pb2_grpc.IngestServiceStub(channel)
    batch = ingest_pb2.CosmicBatch(detector_id=detector, records=lines)
    (ack,) = stub.IngestCosmic(iter([batch]), timeout=60)
    return ack


OPEN, FROZEN, RETIRED = (event_pb2.DATASET_STATE_OPEN, 2, 3)


def letter(payload: str | bytes, topic: str = JSON_TOPIC, **changes) -> DeadLetter:
    data = payload.encode() if isinstance(payload, str) else payload
    fields = {"topic": topic, "reason": "malformed", "detail": "bad", "source": "daq"}
    return DeadLetter(payload=data, **fields | changes)
