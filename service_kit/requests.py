"""From the bytes of a request to a message of the contract. Pure.

All services read their requests here, so that what is no message of its type is the caller's
mistake, in the contract's words. What must be known about the bytes before they become objects
is looked at here too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from service_kit.errors import MalformedRequestError

M = TypeVar("M", bound=Message)


def parse(kind: type[M], data: bytes) -> M:
    """The message that the bytes of a request stand for.

    Raises:
        MalformedRequestError: they stand for none of this kind.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        raise MalformedRequestError(f"the request is no {kind.DESCRIPTOR.name}") from None


async def parse_all(kind: type[M], requests: AsyncIterator[bytes]) -> AsyncIterator[M]:
    """The messages of a stream of requests; raises as `parse`, behind those that are well."""
    async for data in requests:
        yield parse(kind, data)
