"""Page tokens: opaque text that says behind which row the next page begins. Pure.

A token holds a digest of the request that it continues, so that it serves no other filters or
order, and the key of the last row.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from google.protobuf.message import Message

from event_store.select.paging import KEY_TYPES
from eventindex.told import told
from service_kit.errors import InvalidRequestError

TOKEN_CHARACTERS_MAX = 4096
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def encode(request: Message, columns: Sequence[str], row: object) -> str:
    """Return the token of the page behind `row`, whose attributes are named like the columns."""
    key = [getattr(row, column) for column in columns]
    texts = [value.isoformat() if isinstance(value, datetime) else value for value in key]
    data = json.dumps([_digest(request), *texts], separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def decode(request: Message, token: str, columns: Sequence[str]) -> tuple[object, ...] | None:
    """Return the key that a request's token holds, a value for each column; None without a token.

    Raises:
        InvalidRequestError: the token is too long, not one of this service, or of a request with
            another order or other filters.
    """
    if not token:
        return None
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise InvalidRequestError(
            told(
                "PAGE_TOKEN_TOO_LONG",
                "page_token has {characters} characters: the limit is {limit}",
                characters=f"{len(token):,}",
                limit=f"{TOKEN_CHARACTERS_MAX:,}",
            )
        )
    foreign = InvalidRequestError(
        told(
            "PAGE_TOKEN_NOT_OURS",
            "page_token={token} is not one of this service",
            token=repr(token[:40]),
        )
    )
    try:
        padded = token + "=" * (-len(token) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise foreign from None
    if not isinstance(found, list) or len(found) < 1 or not isinstance(found[0], str):
        raise foreign
    if found[0] != _digest(request):
        raise InvalidRequestError(
            told(
                "PAGE_TOKEN_OF_OTHER_REQUEST",
                "page_token={token} is of a request with another order or other filters",
                token=repr(token[:40]),
            )
        )
    if len(found) != len(columns) + 1:
        raise foreign
    try:
        return tuple(map(_value, columns, found[1:]))
    except (ValueError, TypeError):
        raise foreign from None


def _value(column: str, value: object) -> object:
    kind = KEY_TYPES.get(column)
    if kind is None:
        if type(value) is int and _INT64_MIN <= value <= _INT64_MAX:
            return value
        raise ValueError(column)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(column)
    value.encode()  # A lone surrogate is no text.
    if kind == "uuid":
        return str(uuid.UUID(value))
    if kind == "timestamptz":
        return datetime.fromisoformat(value)
    return value


def _digest(request: Message) -> str:
    """Return what the request asks for beside the page, in 16 hexadecimal digits."""
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("page_size")
    bare.ClearField("page_token")
    data = bare.SerializeToString(deterministic=True)
    return hashlib.sha256(f"{bare.DESCRIPTOR.full_name}\n".encode() + data).hexdigest()[:16]
