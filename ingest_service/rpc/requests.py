"""Requests of the gRPC door, from bytes to columns. Pure, for any thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from eventindex.told import sentence_of
from eventindex.v1 import event_pb2, ingest_pb2
from ingest_service.decode.batch import decode_batch
from ingest_service.decode.clocks import Clocks
from ingest_service.decode.cosmic import decode_records
from ingest_service.model import Decoded, MalformedBatchError, Reason
from service_kit.errors import MalformedRequestError, TooManyElementsError
from service_kit.requests import M, parse


class Request(NamedTuple):
    """A batch of a stream, decoded."""

    batch_id: int
    decoded: Decoded


def read_batch(payload: bytes) -> Request:
    """Return the request of an `Ingest` stream.

    Raises:
        MalformedBatchError: nothing of it can be stored; names the batch.
    """
    batch = _parse(event_pb2.EventBatch, payload)
    with _named(batch.batch_id):
        return Request(batch.batch_id, decode_batch(batch))


def read_cosmic(payload: bytes, clocks: Clocks) -> Request:
    """Return the request of an `IngestCosmic` stream; `clocks` as in `decode_cosmic`.

    Raises:
        MalformedBatchError: nothing of it can be stored; names the batch.
    """
    batch = _parse(ingest_pb2.CosmicBatch, payload)
    with _named(batch.batch_id):
        decoded = decode_records(batch.records, batch.detector_id, clocks)
        return Request(batch.batch_id, decoded)


def _parse(kind: type[M], payload: bytes) -> M:
    try:
        return parse(kind, payload)
    except TooManyElementsError as error:
        raise MalformedBatchError(sentence_of(error), Reason.TOO_LARGE) from None
    except MalformedRequestError as error:
        raise MalformedBatchError(sentence_of(error)) from None


@contextmanager
def _named(batch_id: int) -> Iterator[None]:
    try:
        yield
    except MalformedBatchError as error:
        raise MalformedBatchError(f"batch {batch_id}: {error.detail}", error.reason) from None
