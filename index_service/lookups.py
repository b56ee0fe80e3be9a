"""The lookups of IndexService: each reads as request, plan, fetch, reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np

from event_store.database import Connection
from event_store.lookup_batch import Answer
from event_store.reader import Reader
from event_store.threads import DatabaseThreads
from eventindex.v1 import lookup_pb2
from index_service import plan, reply
from index_service.errors import NotFoundError


class Observer(Protocol):
    """Is told of every batch of pairs that was answered."""

    def looked_up(self, found: int, not_found: int) -> None:
        """A batch was answered."""


class Lookups:
    """Answers from the reader's cache and the database."""

    def __init__(self, reader: Reader[bytes], threads: DatabaseThreads, observer: Observer) -> None:
        self._reader = reader
        self._threads = threads
        self._observer = observer

    async def Lookup(self, request: lookup_pb2.LookupRequest) -> bytes:  # noqa: N802
        """One batch of pairs."""
        return await self._lookup(request)

    async def LookupStream(  # noqa: N802
        self, requests: AsyncIterator[lookup_pb2.LookupRequest]
    ) -> AsyncIterator[bytes]:
        """One response a request, in order; the next request is read when one has left."""
        async for request in requests:
            yield await self._lookup(request)

    async def GetEvent(  # noqa: N802
        self, request: lookup_pb2.GetEventRequest
    ) -> lookup_pb2.GetEventResponse:
        """One event with all its fields."""
        planned = plan.plan_event(request)
        answer = await self._threads.run(lambda connection: self._fetch(connection, planned))
        if not answer.files:
            raise NotFoundError(
                f"run {request.run_number} event {request.event_number} is not in the index"
            )
        return reply.event_response(planned, answer)

    async def _lookup(self, request: lookup_pb2.LookupRequest) -> bytes:
        planned = plan.plan_lookup(request)

        def fetch(connection: Connection) -> bytes:
            answer = self._fetch(connection, planned)
            found = int(np.count_nonzero(answer.file_indexes))
            self._observer.looked_up(found, len(answer.file_indexes) - found)
            return reply.encode_lookup(planned, answer)

        return await self._threads.run(fetch)

    def _fetch(self, connection: Connection, planned: plan.LookupPlan) -> Answer[bytes]:
        return self._reader.lookup(
            connection, planned.runs, planned.events, with_olt=planned.with_olt
        )
