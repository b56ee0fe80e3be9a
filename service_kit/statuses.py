"""From an error to the status that ends a call, for the methods of all services.

What the driver said about a failure is logged and stays here.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

from event_store.errors import (
    CorruptPageError,
    NameTakenError,
    NotFoundError,
    ReplicaBehindError,
    StoreUnavailableError,
    UnknownCollectionError,
    UnusableDatabaseError,
    WrongStateError,
)
from eventindex.told import DOMAIN, STATUS_DETAILS, reason_of, sentence_of
from service_kit.errors import (
    InvalidRequestError,
    MalformedRequestError,
    StoppingError,
    TokenEndedError,
    TooMuchError,
)

log = logging.getLogger(__name__)

# Their text is for the caller.
_STATUSES: dict[type[Exception], grpc.StatusCode] = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownCollectionError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    NameTakenError: grpc.StatusCode.ALREADY_EXISTS,
    WrongStateError: grpc.StatusCode.FAILED_PRECONDITION,
    ReplicaBehindError: grpc.StatusCode.UNAVAILABLE,
    StoppingError: grpc.StatusCode.UNAVAILABLE,
    TokenEndedError: grpc.StatusCode.UNAUTHENTICATED,
    TooMuchError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
# The retry hint of the gRPC retry design (A6), milliseconds.
_RETRY = ("grpc-retry-pushback-ms", "500")


class Status(NamedTuple):
    """What `abort` of a call takes."""

    code: grpc.StatusCode
    text: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def status_of(name: str, error: Exception) -> Status:
    """Return how a call of the method `name` ends by an error; logs what the caller is not told."""
    code, text = code_and_text(name, error)
    retry = (_RETRY,) if code in _PASSING else ()
    # gRPC takes no subclass of str.
    return Status(code, str(text), (*retry, *_reason(code, text)))


def _reason(code: grpc.StatusCode, text: str) -> tuple[tuple[str, bytes], ...]:
    """Return the rich status of a sentence that has a reason: `google.rpc.ErrorInfo`."""
    reason, parameters = reason_of(text)
    if not reason:
        return ()
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=str(text))
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=parameters)
    status.details.add().Pack(info)
    return ((STATUS_DETAILS, status.SerializeToString()),)


def code_and_text(name: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """Return the code and the text that the caller gets; logs what the caller is not told."""
    if isinstance(error, MalformedRequestError):
        log.warning("%s: %s", name, error)
    for kind, code in _STATUSES.items():
        if isinstance(error, kind):
            return code, sentence_of(error)
    # One that answers and refuses is not away: to try again would not help.
    if isinstance(error, StoreUnavailableError) and not isinstance(error, UnusableDatabaseError):
        log.warning("%s: the database is away: %s", name, error)
        return grpc.StatusCode.UNAVAILABLE, "the database does not answer; try again"
    log.exception("%s failed", name, exc_info=error)
    if isinstance(error, CorruptPageError):
        return grpc.StatusCode.DATA_LOSS, "a stored page contradicts itself; see the service's log"
    return grpc.StatusCode.INTERNAL, "internal error; see the service's log"
