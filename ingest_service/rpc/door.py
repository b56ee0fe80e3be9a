"""The gRPC door: batches of a stream into the pipeline, acknowledgements out, in order.

Holds a bounded number of batches of a stream; beyond it HTTP/2 holds back the sender.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from eventindex.v1 import ingest_pb2
from ingest_service.decode.clock_settings import clocks_of
from ingest_service.metrics import Metrics
from ingest_service.model import Decoded, Door, Kind, MalformedBatch, Receipt, Rejection, Submission
from ingest_service.pipeline.intake import Intake
from ingest_service.rpc.requests import Request, read_batch, read_cosmic
from service_kit import registry
from service_kit.settings import MESSAGE_BYTES_MAX, Settings

log = logging.getLogger(__name__)

_Context = Any
_SERVICE = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"]
# Beyond this, decoding in the event loop would hold up other streams.
_BYTES_INLINE_MAX = 50_000
# Sentences for each rejection as long as the acknowledgement stays a legal message.
_REASONS_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4


@dataclass(frozen=True, slots=True)
class _End:
    """How a stream ends after the acknowledgements of what went before."""

    code: grpc.StatusCode
    text: str


class GrpcSubmission(Submission):
    """A batch of a stream with the future that its acknowledgement is awaited on."""

    __slots__ = ("_decoded", "_loop", "receipt")
    door = Door.GRPC

    def __init__(self, kind: Kind, source: str, decoded: Decoded, size_bytes: int) -> None:
        super().__init__(kind, "", source, size_bytes)
        self._decoded = decoded
        self._loop = asyncio.get_running_loop()
        self.receipt: asyncio.Future[Receipt | None] = self._loop.create_future()

    def decode(self) -> Decoded:
        """Return the events, which were decoded at the door."""
        return self._decoded

    def payload(self) -> tuple[bytes, bool]:
        """Return nothing: what is refused here is told to the sender."""
        return b"", False

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
        if not self.receipt.done():
            self.receipt.set_result(receipt)


class IngestDoor:
    """IngestService over the pipeline's intake."""

    def __init__(self, settings: Settings, intake: Intake, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics
        self._in_flight_max = settings.ingest_batches_in_flight_max
        self._clocks = clocks_of(settings)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End every stream after the acknowledgements of what was taken in."""
        self._stopping.set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """The methods of the contract: requests come as bytes, and are parsed in other threads.

        Raises:
            IncompleteServiceError: this class lacks one of them.
        """
        return grpc.method_handlers_generic_handler(
            _SERVICE.full_name,
            {
                name: grpc.stream_stream_rpc_method_handler(
                    method, response_serializer=ingest_pb2.IngestAck.SerializeToString
                )
                for name, method in registry.methods(_SERVICE, self).items()
            },
        )

    async def Ingest(  # noqa: N802
        self, request_iterator: AsyncIterator[bytes], context: _Context
    ) -> AsyncIterator[ingest_pb2.IngestAck]:
        """One acknowledgement a batch, in order, once the batch is committed."""

        async def read(payload: bytes) -> Request:
            if len(payload) <= _BYTES_INLINE_MAX:
                return read_batch(payload)
            return await asyncio.to_thread(read_batch, payload)

        stream = _Stream(self, Kind.BATCH, context, read)
        async for ack in stream.acknowledgements(request_iterator):
            yield ack

    async def IngestCosmic(  # noqa: N802
        self, request_iterator: AsyncIterator[bytes], context: _Context
    ) -> AsyncIterator[ingest_pb2.IngestAck]:
        """The same for telescope events as the detectors write them."""

        async def read(payload: bytes) -> Request:
            return await asyncio.to_thread(read_cosmic, payload, self._clocks)

        stream = _Stream(self, Kind.COSMIC, context, read)
        async for ack in stream.acknowledgements(request_iterator):
            yield ack

    async def submit(self, submission: GrpcSubmission) -> None:
        """Put a batch into the intake; waits while that is full."""
        while not self._intake.offer(submission):
            await self._room()

    async def _room(self) -> None:
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        self._intake.when_half_empty(lambda: _call_soon(loop, room.set))
        await room.wait()

    def refused(self, kind: Kind, source: str, error: MalformedBatch) -> None:
        """Count and log a batch that ends its stream."""
        log.warning("%s: a stream ends: %s", source, error.detail)
        self._metrics.message_refused(Door.GRPC, kind, error.reason)

    @property
    def in_flight_max(self) -> int:
        """Batches of one stream that may wait for their acknowledgement."""
        return self._in_flight_max

    async def until_stopped(self) -> None:
        """Wait until the service stops."""
        await self._stopping.wait()


_Read = Callable[[bytes], Awaitable[Request]]
_Pending = tuple[int, GrpcSubmission]


class _Stream:
    """One call: requests are read and submitted while earlier ones are still being stored."""

    def __init__(self, door: IngestDoor, kind: Kind, context: _Context, read: _Read) -> None:
        self._door = door
        self._kind = kind
        self._context = context
        self._read_request = read
        self._source = str(context.peer())
        self._pending: deque[_Pending] = deque()
        self._end: _End | None = None
        self._reading = True
        self._changed = asyncio.Condition()

    async def acknowledgements(
        self, requests: AsyncIterator[bytes]
    ) -> AsyncIterator[ingest_pb2.IngestAck]:
        """Yield an acknowledgement for each request, in order."""
        reader = asyncio.create_task(self._read_until_stopped(requests))
        try:
            while (head := await self._head()) is not None:
                batch_id, submission = head
                receipt = await submission.receipt
                if receipt is None:
                    await self._context.abort(grpc.StatusCode.UNAVAILABLE, _STOPPING)
                else:
                    yield acknowledgement(batch_id, receipt)
                await self._pop()
            if self._end is not None:
                await self._context.abort(self._end.code, self._end.text)
        finally:
            reader.cancel()

    async def _read_until_stopped(self, requests: AsyncIterator[bytes]) -> None:
        reading = asyncio.create_task(self._read(requests))
        stopped = asyncio.create_task(self._door.until_stopped())
        try:
            await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                self._end = _end_of(reading)
            else:
                self._end = _End(grpc.StatusCode.UNAVAILABLE, _STOPPING)
        finally:
            reading.cancel()
            stopped.cancel()
            await self._stop_reading()

    async def _read(self, requests: AsyncIterator[bytes]) -> _End | None:
        await self._wait_for_slot()
        async for payload in requests:
            try:
                request = await self._read_request(payload)
            except MalformedBatch as error:
                self._door.refused(self._kind, self._source, error)
                return _End(grpc.StatusCode.INVALID_ARGUMENT, error.detail)
            submission = GrpcSubmission(self._kind, self._source, request.decoded, len(payload))
            await self._door.submit(submission)
            async with self._changed:
                self._pending.append((request.batch_id, submission))
                self._changed.notify_all()
            await self._wait_for_slot()
        return None

    async def _wait_for_slot(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._pending) < self._door.in_flight_max)

    async def _stop_reading(self) -> None:
        async with self._changed:
            self._reading = False
            self._changed.notify_all()

    async def _head(self) -> _Pending | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._pending or not self._reading)
            return self._pending[0] if self._pending else None

    async def _pop(self) -> None:
        async with self._changed:
            self._pending.popleft()
            self._changed.notify_all()


_STOPPING = "the service is stopping: send what was not acknowledged again"


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
        rejections=[
            _rejection(rejection, with_sentence=size <= _REASONS_BYTES_MAX)
            for rejection in receipt.rejections
        ],
    )


def _rejection(rejection: Rejection, *, with_sentence: bool) -> ingest_pb2.Rejection:
    reason = f"{rejection.reason}: {rejection.detail}" if with_sentence else str(rejection.reason)
    return ingest_pb2.Rejection(index=rejection.position, reason=reason)


def _end_of(reading: asyncio.Task[_End | None]) -> _End | None:
    if reading.cancelled():
        return _End(grpc.StatusCode.CANCELLED, "the call was cancelled")
    error = reading.exception()
    if error is None:
        return reading.result()
    log.error("a stream could not be read", exc_info=error)
    return _End(grpc.StatusCode.INTERNAL, "the stream could not be read")


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
