"""Requests that wait for the database, answered together.

A group takes what waits at the moment when it begins, so its queries start after all of its
requests have arrived; a request that comes later waits for the next group. Never knows what the
requests mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from service_kit import calls

# A large group keeps its first callers waiting, and saves nothing more.
GROUP_REQUESTS_MAX = 256
GROUP_BYTES_MAX = 128 * 1024
# Groups that run at once compete for the interpreter; a second one pays off only beside a group
# that waits for the database.
PATIENCE_S = 0.01
GROUPS_AT_ONCE_MAX = 3

A = TypeVar("A")


class _Waiting(NamedTuple, Generic[A]):
    """A request, its answer to come, and the id of the call that brought it."""

    request: bytes
    answer: asyncio.Future[A]
    request_id: str


class LookupGroups(Generic[A]):
    """Answers requests, group by group. For one event loop."""

    def __init__(
        self,
        threads: DatabaseThreads,
        answer_all: Callable[[Connection, Sequence[bytes]], Sequence[A | Exception]],
    ) -> None:
        """`answer_all` answers in order; an exception is raised to that caller alone."""
        self._threads = threads
        self._answer_all = answer_all
        self._waiting: deque[_Waiting[A]] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        # The running group that new requests wait for; None once it takes too long.
        self._awaited: asyncio.Task[None] | None = None

    def submit(self, request: bytes) -> asyncio.Future[A]:
        """Return the answer to a request, later. Who does not want it any more cancels it."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, answer, calls.request_id()))
        self._begin()
        return answer

    def _begin(self) -> None:
        if self._waiting and self._awaited is None and len(self._groups) < GROUPS_AT_ONCE_MAX:
            self._awaited = asyncio.create_task(self._run())
            self._groups.add(self._awaited)

    async def _run(self) -> None:
        group: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
        patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._wait_no_more, group)
        try:
            await self._answer(list(self._take()))
        finally:
            patience.cancel()
            # Not in a callback of the task: a request could come in between and wait for ever.
            self._groups.remove(group)
            self._wait_no_more(group)

    def _wait_no_more(self, group: asyncio.Task[None]) -> None:
        """Let new requests begin a group beside this one."""
        if self._awaited is group:
            self._awaited = None
        self._begin()

    def _take(self) -> Iterator[_Waiting[A]]:
        """Yield the requests of the next group."""
        requests, size = 0, 0
        while self._waiting and requests < GROUP_REQUESTS_MAX and size < GROUP_BYTES_MAX:
            waiting = self._waiting.popleft()
            if not waiting.answer.cancelled():
                requests, size = requests + 1, size + len(waiting.request)
                yield waiting

    async def _answer(self, group: list[_Waiting[A]]) -> None:
        if not group:
            return
        requests = [one.request for one in group]
        with calls.working_for(*(one.request_id for one in group)):
            work = asyncio.ensure_future(
                self._threads.run(lambda connection: self._answer_all(connection, requests))
            )

        def left(_: asyncio.Future[A]) -> None:
            if all(one.answer.cancelled() for one in group):
                work.cancel()

        for one in group:
            one.answer.add_done_callback(left)
        answers: Sequence[A | Exception]
        try:
            answers = await work
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001  # raised again to each caller
            answers = [error] * len(group)
        for one, answered in zip(group, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answered, Exception):
                one.answer.set_exception(answered)
            else:
                one.answer.set_result(answered)
