"""Something that many follow and that is read once for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import Context, copy_context
from typing import Generic, TypeVar

import anyio.to_thread

from eventindex.errors import AccessError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Shared(Generic[T]):
    """Reads at an interval while somebody follows, in the name of who has followed longest.

    Each follower was let in by a token of its own. One whose token is refused meanwhile is let go,
    and the next one stands for the others.
    """

    def __init__(
        self, read: Callable[[T | None], T], interval_s: float, stopping: asyncio.Event
    ) -> None:
        self._read = read
        self._interval_s = interval_s
        self._stopping = stopping
        self._followers: dict[object, Context] = {}
        self._changed = asyncio.Condition()
        self._last: T | None = None
        self._count = 0
        self._task: asyncio.Task[None] | None = None

    async def follow(self) -> AsyncIterator[T]:
        """Yield what was read, each time it was, until the process is told to stop."""
        if self._stopping.is_set():
            return
        me, seen = object(), self._count - (self._last is not None)
        self._followers[me] = copy_context()
        if self._task is None:
            self._task = asyncio.create_task(self._go())
        try:
            while await self._is_newer(me, seen) and self._last is not None:
                seen = self._count
                yield self._last
        finally:
            self._followers.pop(me, None)

    async def _is_newer(self, me: object, seen: int) -> bool:
        """Wait for something new; False for a follower who is let go."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._count > seen or me not in self._followers)
        return me in self._followers

    async def _go(self) -> None:
        """Read for as long as there are followers."""
        while self._followers and not self._stopping.is_set():
            me, context = next(iter(self._followers.items()))
            try:
                self._last = await anyio.to_thread.run_sync(context.run, self._read, self._last)
                self._count += 1
            except AccessError as error:
                log.info("a follower is let go: %s", error)
                self._followers.pop(me, None)
                await self._tell()
                continue
            except Exception:
                log.exception("what many follow cannot be read")
            await self._tell()
            await self._pause()
        self._followers.clear()
        self._last = self._task = None
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _pause(self) -> None:
        with anyio.move_on_after(self._interval_s):
            await self._stopping.wait()
