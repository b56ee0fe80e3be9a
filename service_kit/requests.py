"""From the bytes of a request to a message of the contract. Pure.

All services read their requests here, so that what is no message of its type is the caller's
mistake, in the contract's words. What must be known about the bytes before they become objects
is looked at here too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from eventindex.told import told
from eventindex.wire_counts import excess
from service_kit.errors import MalformedRequestError, TooManyElementsError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

M = TypeVar("M", bound=Message)


def parse(kind: type[M], data: bytes) -> M:
    """Return the message that the bytes of a request stand for.

    Raises:
        MalformedRequestError: they stand for none of this kind.
        TooManyElementsError: a list of it is too long.
    """
    too_much = excess(data, kind, PAIRS_PER_MESSAGE_MAX)
    if too_much:
        raise TooManyElementsError(
            told(
                "MESSAGE_OF_TOO_MANY",
                "{too_much}: the limit of a message is {limit}",
                too_much=too_much,
                limit=f"{PAIRS_PER_MESSAGE_MAX:,}",
            )
        )
    try:
        return kind.FromString(data)
    except DecodeError:
        raise MalformedRequestError(
            told("NOT_THE_REQUEST", "the request is not a valid {kind}", kind=kind.DESCRIPTOR.name)
        ) from None


async def parse_all(kind: type[M], requests: AsyncIterator[bytes]) -> AsyncIterator[M]:
    """Yield the messages of a stream of requests; raises as `parse`, behind those that are well."""
    async for data in requests:
        yield parse(kind, data)
