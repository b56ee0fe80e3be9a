"""One logical stream of numbered requests and answers on an event loop.

The books are those of `stream.Exchange`; here tasks keep them in the place of threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import grpc

from eventindex.channel import retrying_async
from eventindex.errors import (
    AccessError,
    DeadlineError,
    EventIndexError,
    TokenEndedError,
    UnavailableError,
    from_rpc_error,
)
from eventindex.exchange_ledger import Ledger, Numbered
from eventindex.stream import StreamLimits

# What grpc.aio makes of a call that the server ended while a request was being written. The status
# of the server is lost; it is seen when nothing is written meanwhile.
_STATUS_LOST = "Internal error from Core"

Q = TypeVar("Q", bound=Numbered)
A = TypeVar("A", bound=Numbered)
C = TypeVar("C")
R = TypeVar("R")


class AsyncExchange(Generic[Q, A, C]):
    """Sends the requests of an iterator, each with a context that comes back with its answer."""

    def __init__(
        self,
        open_call: Callable[[], Any],
        requests: AsyncIterator[tuple[Q, C]],
        limits: StreamLimits,
        address: str,
    ) -> None:
        self._open_call = open_call
        self._input = requests
        self._limits = limits
        self._address = address
        self._ledger: Ledger[Q, C] = Ledger(address, limits.batches_in_flight_max)
        self._changed = asyncio.Condition()
        self._call: Any = None
        self._sender: asyncio.Task[None] | None = None
        self._input_error: BaseException | None = None
        # One request at a time until its answer is there.
        self._careful = False
        # The newest call was opened for a newer token, which nothing has answered to yet.
        self._renewed = False

    async def answers(self, convert: Callable[[C, A], R]) -> AsyncGenerator[R, None]:
        """Yield convert(context, answer) for every request, in order.

        Raises:
            EventIndexError: the server refused a request, is away for too long, or is silent.
            BaseException: what the input iterator raised, after the answers to what came before.
        """
        retry = retrying_async(self._limits.retry_seconds_max)
        reader = asyncio.create_task(self._read())
        try:
            while True:
                answer = await self._next_answer() or await retry(self._reopen)
                if answer is None:
                    break
                yield convert(*answer)
        finally:
            await _ended(reader)
            await self._close_call()
        if self._input_error is not None:
            raise self._input_error

    async def _next_answer(self) -> tuple[C, A] | None:
        """Return the next answer of the open call; nothing when it must be opened (again)."""
        if self._call is None:
            return None
        try:
            return await self._receive()
        except (UnavailableError, TokenEndedError):
            return None

    async def _reopen(self) -> tuple[C, A] | None:
        """Open a call and return its first answer; nothing when all requests are answered."""
        await self._close_call()
        if self._ledger.complete:
            return None
        self._ledger.restart()
        self._call = self._open_call()
        self._sender = asyncio.create_task(self._send(self._call))
        try:
            return await self._receive()
        except TokenEndedError:
            return await self._reopen()

    async def _receive(self) -> tuple[C, A] | None:
        # A source may be slow: the server's time begins when there is something to answer.
        async with self._changed:
            await self._changed.wait_for(lambda: self._ledger.sent or self._ledger.complete)
        try:
            async with asyncio.timeout(self._limits.answer_seconds_max):
                answer = await self._call.read()
        except TimeoutError as error:
            raise DeadlineError(
                f"{self._address}: no answer within {self._limits.answer_seconds_max:g} s"
            ) from error
        except grpc.RpcError as error:
            self._careful = error.details() == _STATUS_LOST
            if self._careful:
                raise UnavailableError(f"{self._address}: the call ended") from error
            raise self._failure(from_rpc_error(error, self._address)) from error
        self._renewed = False
        if answer is grpc.aio.EOF:
            self._ledger.check_end()
            return None
        async with self._changed:
            context = self._ledger.match(answer)
            self._careful = False
            self._changed.notify_all()
        return context, answer

    def _failure(self, error: EventIndexError) -> EventIndexError:
        """Return what is raised: a newer token is tried once without an answer."""
        if not isinstance(error, TokenEndedError):
            return error
        tried, self._renewed = self._renewed, True
        return AccessError(str(error)) if tried else error

    async def _send(self, call: Any) -> None:
        """Send the requests of a call until it is over; the reader of answers says how it ended."""
        with suppress(grpc.RpcError, asyncio.InvalidStateError):
            while True:
                async with self._changed:
                    await self._changed.wait_for(self._has_work)
                    if not self._ledger.may_send:
                        break
                    request = self._ledger.next_request()
                    self._changed.notify_all()
                await call.write(request)
            await call.done_writing()

    def _has_work(self) -> bool:
        if self._ledger.may_send:
            return not (self._careful and self._ledger.sent)
        return self._ledger.input_done

    async def _read(self) -> None:
        """Take the requests of the input, a bounded number ahead of their answers."""
        while not self._ledger.input_done:
            async with self._changed:
                await self._changed.wait_for(lambda: self._ledger.may_read)
            item: tuple[Q, C] | None = None
            try:
                item = await anext(self._input, None)
            except Exception as error:  # noqa: BLE001  # raised again behind the last answer
                self._input_error = error
            async with self._changed:
                self._ledger.add(item)
                self._changed.notify_all()

    async def _close_call(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._sender is not None:
            await _ended(self._sender)
            self._sender = None


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait([task])
