"""What can go wrong between a client and the services, as one family of exceptions.

A gRPC status becomes an exception here and nowhere else. Never retries and never prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from eventindex.told import DOMAIN, STATUS_DETAILS, Told, reason_of

if TYPE_CHECKING:
    import grpc


class EventIndexError(Exception):
    """The base of every error that a client raises about an answer or a connection.

    Attributes:
        reason: the code of the server's sentence, such as RUN_NOT_FOUND; "" where it has none.
        parameters: what stands in the sentence, by name: for readers of other languages.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.reason, self.parameters = reason_of(args[0] if args else "")


class InvalidRequestError(EventIndexError):
    """The server refused the request; the text is the server's and names what is wrong."""


class NameTakenError(InvalidRequestError):
    """The name that was asked for is another one's already."""


class WrongStateError(InvalidRequestError):
    """What the request is about is not in the state that it needs: the same may work later."""


class AddressError(InvalidRequestError):
    """What should be the address of a service cannot be one."""


class ConfigError(InvalidRequestError):
    """The file of profiles cannot be read, or does not say what was asked for."""


class NotFoundError(EventIndexError):
    """What was asked for by name is not in the index."""


class UnavailableError(EventIndexError):
    """The server cannot be reached or went away, and retries did not help."""


class DeadlineError(EventIndexError):
    """No answer came within the time allowed."""


class AccessError(EventIndexError):
    """The server wants a valid token or certificate, or this one may not do it."""


class TokenEndedError(AccessError):
    """The token ended within a stream, and there is a newer one."""


class ForbiddenError(AccessError):
    """The token or certificate is valid, and may not do this."""


class LimitError(EventIndexError):
    """A limit of the server was reached: its load, or the size of a message."""


class UnsupportedError(EventIndexError):
    """The server does not offer this call."""


class ServerError(EventIndexError):
    """The server failed or broke the contract."""


# All statuses but OK, by their names: gRPC is not imported for the names of errors.
_BY_STATUS: dict[str, type[EventIndexError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "ALREADY_EXISTS": NameTakenError,
    "FAILED_PRECONDITION": WrongStateError,
    "NOT_FOUND": NotFoundError,
    "UNAVAILABLE": UnavailableError,
    # This client cancels no call that it waits for: the server, or a proxy, dropped it.
    "CANCELLED": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineError,
    "UNAUTHENTICATED": AccessError,
    "PERMISSION_DENIED": ForbiddenError,
    "RESOURCE_EXHAUSTED": LimitError,
    "UNIMPLEMENTED": UnsupportedError,
    "INTERNAL": ServerError,
    "DATA_LOSS": ServerError,
    "UNKNOWN": ServerError,
    "ABORTED": ServerError,
}
# What gRPC says of those that speak something else, and what it means.
_NO_GRPC = "no gRPC service: a web page, metrics or something else is at this port"
_NOT_A_SERVICE = (
    ("Failed parsing HTTP/2", _NO_GRPC),
    ("http1.x", _NO_GRPC),
    ("WRONG_VERSION_NUMBER", "what is at this port speaks without TLS"),
)
# What gRPC says of a connection that did not come to be.
_NO_CONNECTION = (
    ("Connection refused", "nothing listens at this address (connection refused)"),
    ("address lookup failed", "no host of this name is known"),
    ("Domain name not found", "no host of this name is known"),
    (
        "Connection reset by peer",
        "what is at this port closed the connection: is it a gRPC service?",
    ),
)
# What the service says to programs, and what somebody at a shell can do about it.
_ACCESS_NEEDED = "a token is needed"
_ACCESS_GIVEN_BY = "give one by EVENTINDEX_TOKEN, or the name of its file by EVENTINDEX_TOKEN_FILE"
# The server's text is enough: it is about the request, so the address is left out.
_OF_THE_REQUEST = (InvalidRequestError, NotFoundError)


def from_rpc_error(error: grpc.RpcError, address: str) -> EventIndexError:
    """Return the exception that stands for a failed call to a server at `address`."""
    kind = _BY_STATUS.get(error.code().name, ServerError)
    details = error.details() or error.code().name
    if getattr(error, "is_renewed", False):
        return TokenEndedError(f"{address}: {details}")
    for sign, words in _NOT_A_SERVICE:
        if kind is UnavailableError and sign in details:
            # It will not be one a moment later: no reason to try again.
            return UnsupportedError(f"{address}: {words}")
    details = _plainly(kind, details)
    text = details if issubclass(kind, _OF_THE_REQUEST) else f"{address}: {details}"
    reason, parameters = _reason_of(error)
    return kind(Told(text, reason, parameters) if reason else text)


def _plainly(kind: type[EventIndexError], details: str) -> str:
    """Return what a status says, in words for those who asked."""
    if kind is UnavailableError:
        return next((words for sign, words in _NO_CONNECTION if sign in details), details)
    if kind is AccessError and details.startswith(_ACCESS_NEEDED):
        return f"{_ACCESS_NEEDED}: {_ACCESS_GIVEN_BY}"
    return details


def _reason_of(error: grpc.RpcError) -> tuple[str, Mapping[str, str]]:
    """Return what a server says of its sentence in a `google.rpc.ErrorInfo`, where there is one."""
    read: Callable[[], Iterable[tuple[str, str | bytes]] | None]
    read = getattr(error, "trailing_metadata", tuple)
    packed = next((value for key, value in read() or () if key == STATUS_DETAILS), None)
    if not isinstance(packed, bytes):
        return "", {}
    # For errors alone.
    from google.protobuf.message import DecodeError  # noqa: PLC0415  # as above
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415  # as above

    info = error_details_pb2.ErrorInfo()
    try:
        details = status_pb2.Status.FromString(packed).details
        if not any(detail.Unpack(info) for detail in details) or info.domain != DOMAIN:
            return "", {}
    except DecodeError:
        return "", {}
    return info.reason, dict(info.metadata)
