"""Who calls, as far as a token says, and why a call is refused. Pure."""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import NamedTuple

import grpc


class Caller(NamedTuple):
    """The bearer of a valid token.

    Attributes:
        subject: for whom or what the token is.
        scopes: what it may be used for.
        ends: when it ends, seconds since 1970.
        asked_again: when it is to be looked at again, on the clock of `time.monotonic`.
    """

    subject: str
    scopes: Collection[str]
    ends: float
    asked_again: float


class Refusal(NamedTuple):
    """Why a call may not be made, in words for the caller."""

    code: grpc.StatusCode
    text: str

    @property
    def is_final(self) -> bool:
        """Whether the token is to blame, and not what it is checked with."""
        return self.code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


# Who brings no token where looking up needs none.
ANYBODY = Caller("", ("lookup",), inf, inf)
NO_TOKEN = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "a token is needed: metadata `authorization: Bearer <token>`"
)
NOT_VALID = Refusal(
    grpc.StatusCode.UNAUTHENTICATED, "the token is not valid: unknown, expired or revoked"
)
AWAY = Refusal(
    grpc.StatusCode.UNAVAILABLE, "the database does not answer, the token cannot be checked"
)
KEYS_AWAY = Refusal(
    grpc.StatusCode.UNAVAILABLE,
    "the keys of the token's issuer cannot be fetched, the token cannot be checked",
)
FAILED = Refusal(grpc.StatusCode.INTERNAL, "the token cannot be checked; see the service's log")
TOO_MANY = Refusal(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too many tokens wait to be checked; try again in a moment",
)


def not_valid(why: str) -> Refusal:
    """Return the refusal of a signed token; its bearer may know what is wrong with it."""
    return Refusal(grpc.StatusCode.UNAUTHENTICATED, f"the token is not valid: {why}")
