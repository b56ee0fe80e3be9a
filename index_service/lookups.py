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
from event_store.model import RAW_NAME
from event_store.select.collections import collection_number, collections_by_run
from event_store.select.existence import run_exists, run_not_found
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from index_service import lookup_joining, lookup_plan, lookup_reply
from index_service.file_names import Names
from index_service.lookup_groups import LookupGroups
from index_service.replica import not_reached, when_reached
from index_service.stream_files import Answered, StreamFiles
from service_kit import calls, tracing
from service_kit.errors import InvalidRequestError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas

log = logging.getLogger(__name__)

# Answers of a stream that are ready or being made behind the one that is sent.
ANSWERS_AHEAD_MAX = 4
# Runs of a batch of which is said where they are, and names in an answer.
RUNS_EXPLAINED_MAX = 1000
OTHERS_MAX = 10


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
        replica_wait_s_max: float = math.inf,
        quotas: Quotas | None = None,
    ) -> None:
        """Answer by these parts.

        Args:
            reader, threads, observer, names: what is asked, and who is told.
            slow_call_s: a batch that takes as long is worth a line of the log.
            replica_wait_s_max: how long a batch with a commit_token waits for a replica.
            quotas: of what a caller may have at once.
        """
        self._replica_wait_s_max = replica_wait_s_max
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
            tracing.note("batch", seconds, pairs=pairs)
            if seconds >= self._slow_call_s:
                values = {"method": method, "pairs": pairs, "seconds": round(seconds, 6)}
                log.info("%s: a batch of %d pairs took %.3f s", *values.values(), extra=values)

        answer = self._begun(request)
        answer.add_done_callback(note)
        return answer

    def _begun(self, request: bytes) -> asyncio.Future[_Reply]:
        if not lookup_plan.may_have_commit_token(request):
            return self._groups.submit(request)
        return asyncio.ensure_future(
            when_reached(lambda: self._groups.submit(request), self._replica_wait_s_max)
        )

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
        behind = not_reached(connection, planned)
        planned = [behind.get(place, one) for place, one in enumerate(planned)]
        asked = [one for one in planned if isinstance(one, Asked)]
        try:
            replies = iter(self._look_up(connection, asked))
        except StoreUnavailableError:
            if len(requests) == 1 or not _may_answer_some(connection):
                raise
            return [self._answer_alone(connection, request) for request in requests]
        except Exception as error:  # noqa: BLE001  # raised again to the one caller it concerns
            if len(requests) == 1:
                return [error]
            # A damaged page is an error to those who ask for it, not to all of the group.
            return [self._answer_all(connection, [request])[0] for request in requests]
        return [one if isinstance(one, Exception) else next(replies) for one in planned]

    def _answer_alone(self, connection: Connection, request: bytes) -> _Reply | Exception:
        try:
            return self._answer_all(connection, [request])[0]
        except StoreUnavailableError as error:
            return error

    def _look_up(self, connection: Connection, asked: Sequence[Asked]) -> list[_Reply]:
        """Return the responses to batches in their order; small ones are looked up as one."""
        replies = [_NO_REPLY] * len(asked)
        parts = lookup_joining.parts(asked)
        answers = self._reader.lookup_all(connection, [lookup_joining.join(part) for part in parts])
        lost: list[tuple[int, Asked, Answer[bytes]]] = []
        for part, answer in zip(parts, answers, strict=True):
            for (place, one), own in zip(part, lookup_joining.split(answer, part), strict=True):
                named = self._named(connection, one, own) if one.with_names else own
                if own.files or not len(one.events):
                    replies[place] = _reply(one, named)
                else:
                    lost.append((place, one, named))
            found = int(np.count_nonzero(answer.file_indexes))
            self._observer.looked_up(found, len(answer.file_indexes) - found)
        if lost:
            others = _other_collections(connection, [one for _, one, _ in lost])
            for (place, one, named), collections in zip(lost, others, strict=True):
                replies[place] = _reply(one, replace(named, other_collections=collections))
        return replies

    def _named(self, connection: Connection, asked: Asked, answer: Answer[bytes]) -> Answer[bytes]:
        runs = lookup_reply.runs_of_files(asked, answer) if self._names.needs_run else None
        return replace(answer, files=self._names.encoded(connection, answer.files, runs))


def _may_answer_some(connection: Connection) -> bool:
    """Return whether only a part of a cluster may be away, which not all of a group need.

    Raises:
        StoreUnavailableError: the coordinator is.
    """
    if not connection.distributed or connection.stalled:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _why_missing(connection: Connection, asked: Asked) -> str:
    """Tell a run that lacks an event from one that is not there, or only in other collections."""
    run, event = int(asked.runs[0]), int(asked.events[0])
    with connection.cursor() as cursor:
        number = collection_number(cursor, asked.collection)
        if run_exists(cursor, run, number):
            return told("EVENT_NOT_FOUND", "run {run} has no event {event}", run=run, event=event)
        return run_not_found(cursor, run)


def _other_collections(connection: Connection, asked: Sequence[Asked]) -> list[list[str]]:
    """Return for each batch the collections with runs of it that the one asked does not hold."""
    runs = [np.unique(one.runs)[:RUNS_EXPLAINED_MAX].tolist() for one in asked]
    with connection.cursor() as cursor:
        holders = collections_by_run(cursor, sorted({run for own in runs for run in own}))
    found = []
    for one, own in zip(asked, runs, strict=True):
        away = [names for run in own if one.collection not in (names := holders.get(run, []))]
        distinct = {name for names in away for name in names}
        found.append(sorted(distinct, key=lambda name: (name != RAW_NAME, name))[:OTHERS_MAX])
    return found


def _reply(asked: Asked, answer: Answer[bytes]) -> _Reply:
    """Return a response, or what it is made of in its turn on a stream."""
    body = (
        Answered(asked, answer)
        if asked.of_stream and not asked.with_names
        else lookup_reply.encode_lookup(asked, answer)
    )
    return _Reply(body, len(asked.events))


def _plan(request: bytes) -> Asked | Exception:
    try:
        return lookup_plan.plan_lookup(request)
    except InvalidRequestError as error:
        return error
