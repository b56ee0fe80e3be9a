"""The lookups of IndexService: each reads as request, plan, fetch, reply."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import NotFoundError, StoreUnavailableError
from event_store.lookup.batch import Answer, Asked
from event_store.lookup.reader import Reader
from event_store.select.collections import collection_number
from event_store.select.existence import elsewhere, run_exists
from eventindex.v1 import lookup_pb2
from index_service import lookup_joining, lookup_plan, lookup_reply
from index_service.file_names import Names
from index_service.lookup_groups import LookupGroups
from index_service.stream_files import Answered, StreamFiles
from service_kit import calls
from service_kit.errors import InvalidRequestError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas

log = logging.getLogger(__name__)

# Answers of a stream that are ready or being made behind the one that is sent.
ANSWERS_AHEAD_MAX = 4


class Observer(Protocol):
    """Is told of every batch of pairs that was answered."""

    def looked_up(self, found: int, not_found: int) -> None:
        """Note that pairs were answered."""

    def batch(self, method: str, pairs: int, seconds: float) -> None:
        """Note that a request of so many pairs was answered, by itself or within a stream."""


class _Reply(NamedTuple):
    """The answer to a request, and how many pairs that had."""

    body: bytes | Answered
    pairs: int


_NO_REPLY = _Reply(b"", 0)


class Lookups:
    """Answers from the reader's cache and the database."""

    def __init__(
        self,
        reader: Reader[bytes],
        threads: DatabaseThreads,
        observer: Observer,
        names: Names,
        *,
        slow_call_s: float = math.inf,
        quotas: Quotas | None = None,
    ) -> None:
        """`slow_call_s`: a batch that takes as long is worth a line of the log."""
        self._slow_call_s = slow_call_s
        self._quotas = quotas
        self._reader = reader
        self._names = names
        self._threads = threads
        self._observer = observer
        self._groups: LookupGroups[_Reply] = LookupGroups(threads, self._answer_all)

    async def Lookup(self, request: bytes) -> bytes:
        """Look up one batch of pairs."""
        return StreamFiles().encode((await self._submit("Lookup", request)).body)

    async def LookupStream(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Answer each request in order; a few requests are read ahead of the responses."""

        async def begin(request: bytes) -> asyncio.Future[_Reply]:
            return self._submit("LookupStream", request)

        files = StreamFiles()
        stream = InOrder(requests, begin, ANSWERS_AHEAD_MAX, self._quotas)
        async with aclosing(stream.answers()) as replies:
            async for reply in replies:
                yield files.encode(reply.body)

    def _submit(self, method: str, request: bytes) -> asyncio.Future[_Reply]:
        """Let a request be answered, and note for how long that took since it came."""
        began, tally = time.perf_counter(), calls.tally()

        def note(answer: asyncio.Future[_Reply]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                return
            pairs, seconds = answer.result().pairs, time.perf_counter() - began
            self._observer.batch(method, pairs, seconds)
            tally.pairs += pairs
            if seconds >= self._slow_call_s:
                values = {"method": method, "pairs": pairs, "seconds": round(seconds, 6)}
                log.info("%s: a batch of %d pairs took %.3f s", *values.values(), extra=values)

        answer = self._groups.submit(request)
        answer.add_done_callback(note)
        return answer

    async def GetEvent(self, request: lookup_pb2.GetEventRequest) -> lookup_pb2.GetEventResponse:
        """Look up one event with all its fields."""
        planned = lookup_plan.plan_event(request)

        def fetch(connection: Connection) -> Answer[bytes]:
            [answer] = self._reader.lookup_all(connection, [planned])
            return self._named(connection, planned, answer) if planned.with_names else answer

        answer = await self._threads.run(fetch)
        if not answer.files:
            why = await self._threads.run(lambda connection: _why_missing(connection, planned))
            raise NotFoundError(why)
        return lookup_reply.event_response(planned, answer)

    def _answer_all(
        self, connection: Connection, requests: Sequence[bytes]
    ) -> list[_Reply | Exception]:
        """Answer requests that have all arrived; a bad one leaves the others alone."""
        planned = [_plan(request) for request in requests]
        asked = [one for one in planned if isinstance(one, Asked)]
        try:
            replies = iter(self._look_up(connection, asked))
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # raised again to the one caller it concerns
            if len(requests) == 1:
                return [error]
            # A damaged page is an error to those who ask for it, not to all of the group.
            return [self._answer_all(connection, [request])[0] for request in requests]
        return [one if isinstance(one, Exception) else next(replies) for one in planned]

    def _look_up(self, connection: Connection, asked: Sequence[Asked]) -> list[_Reply]:
        """Return the responses to batches in their order; small ones are looked up as one."""
        replies = [_NO_REPLY] * len(asked)
        parts = lookup_joining.parts(asked)
        answers = self._reader.lookup_all(connection, [lookup_joining.join(part) for part in parts])
        for part, answer in zip(parts, answers, strict=True):
            for (place, one), own in zip(part, lookup_joining.split(answer, part), strict=True):
                named = self._named(connection, one, own) if one.with_names else own
                body = (
                    Answered(one, named)
                    if one.of_stream and not one.with_names
                    else lookup_reply.encode_lookup(one, named)
                )
                replies[place] = _Reply(body, len(one.events))
            found = int(np.count_nonzero(answer.file_indexes))
            self._observer.looked_up(found, len(answer.file_indexes) - found)
        return replies

    def _named(self, connection: Connection, asked: Asked, answer: Answer[bytes]) -> Answer[bytes]:
        runs = lookup_reply.runs_of_files(asked, answer) if self._names.needs_run else None
        return replace(answer, files=self._names.encoded(connection, answer.files, runs))


def _why_missing(connection: Connection, asked: Asked) -> str:
    """Tell a run that lacks an event from one that is not there, or only in other collections."""
    run, event = int(asked.runs[0]), int(asked.events[0])
    with connection.cursor() as cursor:
        number = collection_number(cursor, asked.collection)
        if run_exists(cursor, run, number):
            return f"run {run} has no event {event}"
        return f"run {run} is not in the index{elsewhere(cursor, run)}"


def _plan(request: bytes) -> Asked | InvalidRequestError:
    try:
        return lookup_plan.plan_lookup(request)
    except InvalidRequestError as error:
        return error
