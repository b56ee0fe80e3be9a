"""The gRPC door: batches of a stream into the pipeline, acknowledgements out, in order.

Holds a bounded number of batches of a stream; beyond it HTTP/2 holds back the sender.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from eventindex.v1 import ingest_pb2
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.decode.topics import BATCH, COSMIC
from ingest_service.metrics import Metrics
from ingest_service.model import Decoded, Door, MalformedBatchError, Receipt, Rejection, Submission
from ingest_service.pipeline.intake import Intake
from ingest_service.rpc.requests import Request, read_batch, read_cosmic
from service_kit import calls
from service_kit.auth import caller_subject
from service_kit.errors import InvalidRequestError, StoppingError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas
from service_kit.settings import INGEST_BATCHES_IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, Settings
from service_kit.stream_access import check_stream, checked

log = logging.getLogger(__name__)

_Read = Callable[[bytes], Awaitable[Request]]
SERVICE = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"]
# Their requests come as bytes, and are parsed in other threads.
UNDECODED = frozenset({"Ingest", "IngestCosmic"})
# Beyond this, decoding in the event loop would hold up other streams.
_BYTES_INLINE_MAX = 50_000
# Above this an acknowledgement names reasons by code alone, so that it stays a legal message.
_REASONS_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4


_STOPPING = "the service is stopping: send what was not acknowledged again"


class GrpcSubmission(Submission):
    """A batch of a stream with the future of its acknowledgement: None when the service stops."""

    __slots__ = ("_loop", "_request", "_request_id", "acknowledgement", "traceparent")
    door = Door.GRPC

    def __init__(self, kind: str, source: str, request: Request, size_bytes: int) -> None:
        super().__init__(kind, "", source, size_bytes)
        self._request = request
        self._request_id = calls.request_id()
        self.traceparent = calls.traceparent()
        self._loop = asyncio.get_running_loop()
        self.acknowledgement: asyncio.Future[ingest_pb2.IngestAck | None] = (
            self._loop.create_future()
        )

    @property
    def request_id(self) -> str:
        """The id of the call, and behind it the batch within it."""
        return f"{self._request_id}:{self._request.batch_id}"

    def decode(self) -> Decoded:
        """Return the events, which were decoded at the door."""
        return self._request.decoded

    def payload(self) -> bytes:
        """Return nothing: what is refused here is told to the sender."""
        return b""

    def finish(self, receipt: Receipt) -> None:
        """Hand the receipt to the stream, from the writer thread."""
        self._tell(receipt)

    def abandon(self) -> None:
        """Tell the stream that the service stops."""
        self._tell(None)

    def _tell(self, receipt: Receipt | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, receipt)

    def _settle(self, receipt: Receipt | None) -> None:
        if not self.acknowledgement.done():
            self.acknowledgement.set_result(
                acknowledgement(self._request.batch_id, receipt) if receipt else None
            )


class IngestDoor:
    """IngestService over the pipeline's intake."""

    def __init__(
        self, settings: Settings, intake: Intake, metrics: Metrics, quotas: Quotas | None = None
    ) -> None:
        self._quotas = quotas
        self._intake = intake
        self._metrics = metrics
        self._clocks = clocks_of(settings)
        self._stopping = False
        self._streams: set[InOrder[ingest_pb2.IngestAck | None]] = set()

    def stop(self) -> None:
        """End every stream after the acknowledgements of what was taken in."""
        self._stopping = True
        for stream in self._streams:
            stream.stop(StoppingError(_STOPPING))

    async def Ingest(
        self, request_iterator: AsyncIterator[bytes]
    ) -> AsyncIterator[ingest_pb2.IngestAck]:
        """Acknowledge each batch, in order, once it is committed."""

        async def read(payload: bytes) -> Request:
            if len(payload) <= _BYTES_INLINE_MAX:
                return read_batch(payload)
            return await asyncio.to_thread(read_batch, payload)

        async with aclosing(self._acknowledge(BATCH, request_iterator, read)) as acks:
            async for ack in acks:
                yield ack

    async def IngestCosmic(
        self, request_iterator: AsyncIterator[bytes]
    ) -> AsyncIterator[ingest_pb2.IngestAck]:
        """Do the same for telescope events as the detectors write them."""

        async def read(payload: bytes) -> Request:
            return await asyncio.to_thread(read_cosmic, payload, self._clocks)

        async with aclosing(self._acknowledge(COSMIC, request_iterator, read)) as acks:
            async for ack in acks:
                yield ack

    async def submit(self, submission: GrpcSubmission) -> None:
        """Put a batch into the intake; waits while that is full."""
        while not self._intake.offer(submission):
            await self._room()

    async def _room(self) -> None:
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        self._intake.when_half_empty(lambda: _call_soon(loop, room.set))
        await room.wait()

    async def _acknowledge(
        self, kind: str, requests: AsyncIterator[bytes], read: _Read
    ) -> AsyncGenerator[ingest_pb2.IngestAck, None]:
        """Yield acknowledgements in order; requests are read while earlier ones are stored."""

        async def begin(payload: bytes) -> asyncio.Future[ingest_pb2.IngestAck | None]:
            source = caller_subject() or calls.peer()
            submission = await self._submitted(kind, source, payload, read)
            return submission.acknowledgement

        stream = InOrder(checked(requests), begin, INGEST_BATCHES_IN_FLIGHT_MAX, self._quotas)
        self._streams.add(stream)
        if self._stopping:
            stream.stop(StoppingError(_STOPPING))
        try:
            async with aclosing(stream.answers()) as acks:
                async for ack in acks:
                    await check_stream()
                    yield _stored(ack)
        finally:
            self._streams.discard(stream)

    async def _submitted(
        self, kind: str, source: str, payload: bytes, read: _Read
    ) -> GrpcSubmission:
        try:
            request = await read(payload)
        except MalformedBatchError as error:
            log.warning("%s: a stream ends: %s", source, error.detail)
            self._metrics.message_refused(Door.GRPC, kind, error.reason)
            raise InvalidRequestError(error.detail) from None
        submission = GrpcSubmission(kind, source, request, len(payload))
        calls.count_pairs(request.decoded.offered)
        await self.submit(submission)
        return submission


def _stored(ack: ingest_pb2.IngestAck | None) -> ingest_pb2.IngestAck:
    if ack is None:
        raise StoppingError(_STOPPING)
    return ack


def acknowledgement(batch_id: int, receipt: Receipt) -> ingest_pb2.IngestAck:
    """Return the message for a receipt; sentences give way to codes where they would not fit."""
    size = sum(len(rejection.detail) + 16 for rejection in receipt.rejections)
    return ingest_pb2.IngestAck(
        batch_id=batch_id,
        inserted=receipt.inserted,
        duplicates=receipt.duplicates,
        conflicts=receipt.conflicts,
        rejected=len(receipt.rejections),
        refused_files=receipt.refused_files,
        commit_token=receipt.commit_token,
        rejections=[
            _rejection(rejection, with_sentence=size <= _REASONS_BYTES_MAX)
            for rejection in receipt.rejections
        ],
    )


def _rejection(rejection: Rejection, *, with_sentence: bool) -> ingest_pb2.Rejection:
    reason = f"{rejection.reason}: {rejection.detail}" if with_sentence else str(rejection.reason)
    return ingest_pb2.Rejection(index=rejection.position, reason=reason)


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
