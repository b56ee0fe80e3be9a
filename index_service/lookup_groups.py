"""Requests that wait for the database, answered together.

A group takes what waits at the moment when it begins, so its queries start after all of its
requests have arrived; a request that comes later waits for the next group. A group has no task and
no timer of its own: it begins and ends in callbacks of the loop. Never knows what requests mean.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from event_store.database.connection import Connection
from event_store.database.threads import Begun, DatabaseThreads
from service_kit import calls

# A large group keeps its first callers waiting, and saves nothing more.
GROUP_REQUESTS_MAX = 256
GROUP_BYTES_MAX = 128 * 1024
# Groups that run at once compete for the interpreter; a second one pays off only beside a group
# that waits for the database.
PATIENCE_S = 0.01
GROUPS_AT_ONCE_MAX = 3

A = TypeVar("A")
# Answers of a group in their order; an exception is one caller's.
_Answers: TypeAlias = Sequence[A | Exception]


class Waiting(asyncio.Future[A]):
    """The answer to a request, later. Who does not want it any more cancels it."""

    def __init__(self, request: bytes) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.request = request
        self.request_id = calls.request_id()
        self.group: _Group[A] | None = None

    def cancel(self, msg: object = None) -> bool:
        """Let nobody answer; a group that nobody waits for is cancelled."""
        cancelled = super().cancel(msg)
        if cancelled and self.group is not None:
            self.group.left()
        return cancelled


class _Group(Generic[A]):
    """Requests that are answered together, and the work on them."""

    def __init__(self, requests: Sequence[Waiting[A]]) -> None:
        self.requests = requests
        self.began = time.monotonic()
        self.work: Begun[_Answers[A]] | None = None
        for one in requests:
            one.group = self

    def left(self) -> None:
        """Cancel the work once nobody waits for it."""
        if self.work is not None and all(one.cancelled() for one in self.requests):
            self.work.cancel()

    def settle(self, future: Future[_Answers[A]]) -> None:
        """Hand the answers to those who wait."""
        if future.cancelled():
            return
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        answers = [error] * len(self.requests) if error is not None else future.result()
        for one, answered in zip(self.requests, answers, strict=True):
            if one.done():
                continue
            if isinstance(answered, Exception):
                one.set_exception(answered)
            else:
                one.set_result(answered)


class LookupGroups(Generic[A]):
    """Answers requests, group by group. For one event loop."""

    def __init__(
        self,
        threads: DatabaseThreads,
        answer_all: Callable[[Connection, Sequence[bytes]], _Answers[A]],
    ) -> None:
        """`answer_all` answers in order; an exception is raised to that caller alone."""
        self._threads = threads
        self._answer_all = answer_all
        self._waiting: deque[Waiting[A]] = deque()
        self._running: set[_Group[A]] = set()
        # The running group that new requests wait for; None once it takes too long.
        self._awaited: _Group[A] | None = None
        self._beginning = False
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, request: bytes) -> asyncio.Future[A]:
        """Return the answer to a request, later. Who does not want it any more cancels it."""
        answer: Waiting[A] = Waiting(request)
        self._waiting.append(answer)
        self._go_on(asyncio.get_running_loop())
        return answer

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a group begin where one may, when all has come that is coming now."""
        if not self._waiting or self._beginning or len(self._running) >= GROUPS_AT_ONCE_MAX:
            return
        if self._awaited is None:
            self._beginning = True
            loop.call_soon(self._begin, loop)
        elif self._timer is None:
            left = self._awaited.began + PATIENCE_S - time.monotonic()
            self._timer = loop.call_later(max(0.0, left), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait no more for a group that takes too long: one may begin beside it."""
        self._timer = None
        if self._awaited is not None and time.monotonic() >= self._awaited.began + PATIENCE_S:
            self._awaited = None
        self._go_on(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beginning = False
        if not (requests := list(self._take())):
            self._go_on(loop)
            return
        self._awaited = group = _Group(requests)
        self._running.add(group)
        wire = [one.request for one in requests]
        try:
            with calls.working_for(*(one.request_id for one in requests)):
                group.work = self._threads.begin(lambda link: self._answer_all(link, wire))
        except RuntimeError as error:
            # The threads were closed.
            failed: Future[_Answers[A]] = Future()
            failed.set_exception(error)
            self._end(loop, group, failed)
            return
        group.work.future.add_done_callback(partial(self._tell, loop, group))

    def _tell(
        self, loop: asyncio.AbstractEventLoop, group: _Group[A], future: Future[_Answers[A]]
    ) -> None:
        """Let the loop know, from whatever thread, that a group has its answers."""
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._end, loop, group, future)

    def _end(
        self, loop: asyncio.AbstractEventLoop, group: _Group[A], future: Future[_Answers[A]]
    ) -> None:
        self._running.remove(group)
        if self._awaited is group:
            self._awaited = None
        try:
            group.settle(future)
        finally:
            self._go_on(loop)

    def _take(self) -> Iterator[Waiting[A]]:
        """Yield the requests of the next group."""
        requests, size = 0, 0
        while self._waiting and requests < GROUP_REQUESTS_MAX and size < GROUP_BYTES_MAX:
            waiting = self._waiting.popleft()
            if not waiting.cancelled():
                requests, size = requests + 1, size + len(waiting.request)
                yield waiting
