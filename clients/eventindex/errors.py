"""What can go wrong between a client and the services, as one family of exceptions.

A gRPC status becomes an exception here and nowhere else. Never retries and never prints.
"""

from __future__ import annotations

import grpc


class EventIndexError(Exception):
    """The base of every error that a client raises about an answer or a connection."""


class InvalidRequestError(EventIndexError):
    """The server refused the request; the text is the server's and names what is wrong."""


class NameTakenError(InvalidRequestError):
    """The name that was asked for is another one's already."""


class WrongStateError(InvalidRequestError):
    """What the request is about is not in the state that it needs: the same may work later."""


class NotFoundError(EventIndexError):
    """What was asked for by name is not in the index."""


class UnavailableError(EventIndexError):
    """The server cannot be reached or went away, and retries did not help."""


class DeadlineError(EventIndexError):
    """No answer came within the time allowed."""


class AccessError(EventIndexError):
    """The server wants a valid token or certificate, or this one may not do it."""


class ForbiddenError(AccessError):
    """The token or certificate is valid, and may not do this."""


class LimitError(EventIndexError):
    """A limit of the server was reached: its load, or the size of a message."""


class UnsupportedError(EventIndexError):
    """The server does not offer this call."""


class ServerError(EventIndexError):
    """The server failed or broke the contract."""


# All statuses but OK.
_BY_STATUS: dict[grpc.StatusCode, type[EventIndexError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.ALREADY_EXISTS: NameTakenError,
    grpc.StatusCode.FAILED_PRECONDITION: WrongStateError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    # This client cancels no call that it waits for: the server, or a proxy, dropped it.
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.UNAUTHENTICATED: AccessError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitError,
    grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
    grpc.StatusCode.INTERNAL: ServerError,
    grpc.StatusCode.DATA_LOSS: ServerError,
    grpc.StatusCode.UNKNOWN: ServerError,
    grpc.StatusCode.ABORTED: ServerError,
}
# The server's text is enough: it is about the request, so the address is left out.
_OF_THE_REQUEST = (InvalidRequestError, NotFoundError)


def from_rpc_error(error: grpc.RpcError, address: str) -> EventIndexError:
    """Return the exception that stands for a failed call to a server at `address`."""
    kind = _BY_STATUS.get(error.code(), ServerError)
    details = error.details() or error.code().name
    return kind(details if issubclass(kind, _OF_THE_REQUEST) else f"{address}: {details}")
