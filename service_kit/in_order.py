"""Answers to a stream of requests: begun as they come, sent in order, a bounded number ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from service_kit.quotas import Quotas

A = TypeVar("A")


class InOrder(Generic[A]):
    """One stream. Beyond `ahead_max` answers that are not taken yet no request is read.

    Requests count for `quotas` from when they were read until their answers are there.
    """

    def __init__(
        self,
        requests: AsyncIterator[bytes],
        begin: Callable[[bytes], Awaitable[asyncio.Future[A]]],
        ahead_max: int,
        quotas: Quotas | None = None,
    ) -> None:
        self._quotas = quotas
        self._requests = requests
        self._begin = begin
        self._room = asyncio.Semaphore(ahead_max)
        # None marks the end.
        self._begun: asyncio.Queue[asyncio.Future[A] | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._end: Exception | None = None

    def stop(self, error: Exception) -> None:
        """Read no more; `error` is raised after the answers to what was read."""
        self._end = error
        if self._reading is not None:
            self._reading.cancel()

    async def answers(self) -> AsyncGenerator[A, None]:
        """Yield an answer for each request; what reading or `begin` raises comes after them."""
        self._reading = asyncio.create_task(self._read())
        if self._end is not None:
            self._reading.cancel()
        try:
            while (answer := await self._begun.get()) is not None:
                yield await answer
                self._room.release()
            await self._finish(self._reading)
        finally:
            self._reading.cancel()
            while not self._begun.empty():
                if (answer := self._begun.get_nowait()) is not None:
                    answer.cancel()

    async def _finish(self, reading: asyncio.Task[None]) -> None:
        try:
            await reading
        except asyncio.CancelledError:
            if self._end is None:
                raise
            raise self._end from None

    async def _read(self) -> None:
        try:
            await self._room.acquire()
            async for request in self._requests:
                self._begun.put_nowait(await self._counted(request))
                await self._room.acquire()
        finally:
            self._begun.put_nowait(None)

    async def _counted(self, request: bytes) -> asyncio.Future[A]:
        if self._quotas is None:
            return await self._begin(request)
        size_bytes = len(request)
        self._quotas.take(size_bytes)
        try:
            answer = await self._begin(request)
        except BaseException:
            self._quotas.give_back(size_bytes)
            raise
        answer.add_done_callback(partial(_give_back, self._quotas, size_bytes))
        return answer


def _give_back(quotas: Quotas, size_bytes: int, _: object) -> None:
    quotas.give_back(size_bytes)
