"""Requests of the gRPC door, from bytes to columns. Pure, for any thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from google.protobuf.message import DecodeError

from eventindex.v1 import ingest_pb2
from eventindex.wire_counts import excess
from ingest_service.clocks import Clocks
from ingest_service.decode_batch import decode_batch, parse_batch
from ingest_service.decode_cosmic import decode_records
from ingest_service.model import Decoded, MalformedBatch, Reason
from service_kit.settings import PAIRS_PER_MESSAGE_MAX


class Request(NamedTuple):
    """A batch of a stream, decoded."""

    batch_id: int
    decoded: Decoded


def read_batch(payload: bytes) -> Request:
    """Return the request of an `Ingest` stream.

    Raises:
        MalformedBatch: nothing of it can be stored; names the batch.
    """
    batch = parse_batch(payload)
    with _named(batch.batch_id):
        return Request(batch.batch_id, decode_batch(batch))


def read_cosmic(payload: bytes, clocks: Clocks) -> Request:
    """Return the request of an `IngestCosmic` stream; `clocks` as in `decode_cosmic`.

    Raises:
        MalformedBatch: nothing of it can be stored; names the batch.
    """
    too_much = excess(payload, ingest_pb2.CosmicBatch, PAIRS_PER_MESSAGE_MAX)
    if too_much:
        raise MalformedBatch(
            f"{too_much}; a message holds at most {PAIRS_PER_MESSAGE_MAX}", Reason.TOO_LARGE
        )
    try:
        batch = ingest_pb2.CosmicBatch.FromString(payload)
    except DecodeError:
        raise MalformedBatch("the request is not a CosmicBatch") from None
    with _named(batch.batch_id):
        decoded = decode_records(batch.records, batch.detector_id, clocks)
        return Request(batch.batch_id, decoded)


@contextmanager
def _named(batch_id: int) -> Iterator[None]:
    try:
        yield
    except MalformedBatch as error:
        raise MalformedBatch(f"batch {batch_id}: {error.detail}", error.reason) from None
