"""Send a dead letter through the pipeline again, by the decoder of its topic.

It goes in like a batch over gRPC: what is refused again is told to the caller and makes no second
letter. Never removes a letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from event_store.admin.datasets import LetterRow
from event_store.errors import StoreUnavailableError
from eventindex.v1 import ingest_pb2
from ingest_service.decode.topics import Topics
from ingest_service.model import MalformedBatchError, Receipt, Rejection
from ingest_service.rpc.door import GrpcSubmission, acknowledgement
from ingest_service.rpc.requests import Request


class Replayer:
    """Replays dead letters; `submit` puts a submission into the pipeline."""

    def __init__(self, topics: Topics, submit: Callable[[GrpcSubmission], Awaitable[None]]) -> None:
        self._topics = topics
        self._submit = submit

    async def replay(self, letter: LetterRow) -> ingest_pb2.IngestAck:
        """Store what the letter holds; what became of it, as of a batch.

        Raises:
            StoreUnavailableError: the service stops before it was stored.
        """
        route = self._topics.route(letter.topic.encode())
        try:
            decoded = await asyncio.to_thread(route.decode, letter.payload)
        except MalformedBatchError as error:
            return acknowledgement(
                0, Receipt(rejections=[Rejection(0, error.reason, error.detail)])
            )
        request = Request(batch_id=0, decoded=decoded)
        submission = GrpcSubmission(route.kind, letter.source, request, len(letter.payload))
        await self._submit(submission)
        answer = await submission.acknowledgement
        if answer is None:
            raise StoreUnavailableError("the service is stopping")
        return answer
