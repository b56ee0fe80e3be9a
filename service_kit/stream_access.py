"""The token of a stream, looked at again with each message of it, in both directions.

A call whose token ends or is revoked ends UNAUTHENTICATED. While the token cannot be checked, the
database being away, the stream goes on, up to the end of the token. Never knows what goes over it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from service_kit.callers import Caller, Refusal
from service_kit.errors import TokenEndedError

M = TypeVar("M")
_UNCHECKED_AGAIN_S = 1.0


class StreamAccess:
    """What is known of the token of one call."""

    def __init__(self, caller: Caller, check: Callable[[], Awaitable[Caller | Refusal]]) -> None:
        """`check` looks at the token again."""
        self._check = check
        self._caller = caller
        self._asked_again = caller.asked_again

    async def check(self) -> None:
        """See that the token is still good.

        Raises:
            TokenEndedError: it is not.
        """
        if time.monotonic() < self._asked_again and time.time() < self._caller.ends:
            return
        found = await self._check()
        if isinstance(found, Caller):
            self._caller, self._asked_again = found, found.asked_again
        elif found.is_final or time.time() >= self._caller.ends:
            raise TokenEndedError(found.text)
        else:
            self._asked_again = time.monotonic() + _UNCHECKED_AGAIN_S


_of_call: ContextVar[StreamAccess | None] = ContextVar("stream_access", default=None)


def set_stream_access(access: StreamAccess | None) -> None:
    """Note the token of the current call; None where it needs none."""
    _of_call.set(access)


async def check_stream() -> None:
    """See that the token of the current call is still good; raises TokenEndedError."""
    access = _of_call.get()
    if access is not None:
        await access.check()


async def checked(messages: AsyncIterator[M]) -> AsyncIterator[M]:
    """Yield the messages of the current call for as long as its token is good.

    Raises:
        TokenEndedError: it is not, and a message has come.
    """
    access = _of_call.get()
    async for message in messages:
        if access is not None:
            await access.check()
        yield message
