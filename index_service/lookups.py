"""The lookups of IndexService: each reads as request, plan, fetch, reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreUnavailableError
from event_store.lookup.batch import Answer
from event_store.lookup.reader import Asked, Reader
from eventindex.v1 import lookup_pb2
from index_service import lookup_joining, lookup_plan, lookup_reply
from index_service.errors import InvalidRequestError, NotFoundError
from index_service.file_names import Names
from index_service.lookup_groups import Gathering
from index_service.lookup_plan import LookupPlan

# Of a stream, answers that are ready or in the making behind the one that is sent.
ANSWERS_AHEAD_MAX = 4


class Observer(Protocol):
    """Is told of every batch of pairs that was answered."""

    def looked_up(self, found: int, not_found: int) -> None:
        """A batch was answered."""


class Lookups:
    """Answers from the reader's cache and the database."""

    def __init__(
        self, reader: Reader[bytes], threads: DatabaseThreads, observer: Observer, names: Names
    ) -> None:
        self._reader = reader
        self._names = names
        self._threads = threads
        self._observer = observer
        self._gathering = Gathering(threads, self._answer_all)

    async def Lookup(self, request: bytes) -> bytes:  # noqa: N802
        """One batch of pairs."""
        return await self._gathering.submit(request)

    async def LookupStream(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:  # noqa: N802
        """One response a request, in order; a few requests are read ahead of the responses."""
        answers: asyncio.Queue[asyncio.Future[bytes] | None] = asyncio.Queue()
        room = asyncio.Semaphore(ANSWERS_AHEAD_MAX)

        async def read() -> None:
            try:
                async for request in requests:
                    await room.acquire()
                    answers.put_nowait(self._gathering.submit(request))
            finally:
                answers.put_nowait(None)

        reading = asyncio.create_task(read())
        try:
            while (answer := await answers.get()) is not None:
                yield await answer
                room.release()
            await reading
        finally:
            reading.cancel()
            while not answers.empty():
                if (answer := answers.get_nowait()) is not None:
                    answer.cancel()

    async def GetEvent(  # noqa: N802
        self, request: lookup_pb2.GetEventRequest
    ) -> lookup_pb2.GetEventResponse:
        """One event with all its fields."""
        planned = lookup_plan.plan_event(request)

        def fetch(connection: Connection) -> Answer[bytes]:
            (answer,) = self._fetch(connection, [planned])
            return self._named(connection, planned, answer) if planned.with_names else answer

        answer = await self._threads.run(fetch)
        if not answer.files:
            raise NotFoundError(
                f"run {request.run_number} event {request.event_number} is not in the index"
            )
        return lookup_reply.event_response(planned, answer)

    def _answer_all(
        self, connection: Connection, requests: Sequence[bytes]
    ) -> list[bytes | Exception]:
        """Answer requests that have all arrived; a bad one leaves the others alone."""
        planned = [_plan(request) for request in requests]
        plans = [one for one in planned if isinstance(one, LookupPlan)]
        answers = iter(self._answer_plans(connection, plans))
        return [one if isinstance(one, Exception) else next(answers) for one in planned]

    def _answer_plans(
        self, connection: Connection, plans: Sequence[LookupPlan]
    ) -> list[bytes | Exception]:
        try:
            return list(self._answer_together(connection, plans))
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # raised again to the one caller it concerns
            if len(plans) == 1:
                return [error]
        # A damaged page is an error to those who ask for it.
        return [answer for one in plans for answer in self._answer_plans(connection, [one])]

    def _answer_together(self, connection: Connection, plans: Sequence[LookupPlan]) -> list[bytes]:
        replies = [b""] * len(plans)
        parts = lookup_joining.parts(plans)
        answers = self._fetch(connection, [lookup_joining.join(part) for part in parts])
        for part, answer in zip(parts, answers, strict=True):
            for (place, planned), own in zip(part, lookup_joining.split(answer, part), strict=True):
                named = self._named(connection, planned, own) if planned.with_names else own
                replies[place] = lookup_reply.encode_lookup(planned, named)
            found = int(np.count_nonzero(answer.file_indexes))
            self._observer.looked_up(found, len(answer.file_indexes) - found)
        return replies

    def _named(
        self, connection: Connection, plan: LookupPlan, answer: Answer[bytes]
    ) -> Answer[bytes]:
        runs = lookup_reply.runs_of_files(plan, answer) if self._names.needs_run else None
        return replace(answer, files=self._names.encoded(connection, answer.files, runs))

    def _fetch(self, connection: Connection, plans: Sequence[LookupPlan]) -> list[Answer[bytes]]:
        return self._reader.lookup_all(
            connection, [Asked(one.runs, one.events, one.with_olt) for one in plans]
        )


def _plan(request: bytes) -> LookupPlan | InvalidRequestError:
    try:
        return lookup_plan.plan_lookup(request)
    except InvalidRequestError as error:
        return error
