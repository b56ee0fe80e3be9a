"""A service's methods as gRPC handlers: observed, with errors mapped to a status once.

Handlers may answer a message or its serialized bytes. What the driver said about a failure is
logged and stays here.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import AsyncIterator, Callable, Container
from typing import Any, Protocol

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from grpc import aio

from event_store.errors import (
    CorruptPageError,
    NameTakenError,
    NotFoundError,
    StoreUnavailableError,
    UnusableDatabaseError,
    WrongStateError,
)
from eventindex.wire_counts import excess
from service_kit.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

log = logging.getLogger(__name__)

_STATUSES: dict[type[Exception], grpc.StatusCode] = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    NameTakenError: grpc.StatusCode.ALREADY_EXISTS,
    WrongStateError: grpc.StatusCode.FAILED_PRECONDITION,
}
# The retry hint of the gRPC retry design (A6), milliseconds.
_RETRY = ("grpc-retry-pushback-ms", "500")


class Observer(Protocol):
    """Is told of every call that ended."""

    def request(self, method: str, code: str, seconds: float) -> None:
        """A call of a method ended with a status after so many seconds."""


def handlers(
    contract: ServiceDescriptor,
    service: object,
    observer: Observer,
    undecoded: Container[str] = (),
) -> grpc.GenericRpcHandler:
    """The methods of the contract; those that `service` does not have answer UNIMPLEMENTED.

    Methods named in `undecoded` take their requests as bytes.
    """
    return grpc.method_handlers_generic_handler(
        contract.full_name,
        {
            method.name: _handler(
                method,
                getattr(service, method.name),
                observer,
                decode=None if method.name in undecoded else _decoder(method),
            )
            for method in contract.methods
            if hasattr(service, method.name)
        },
    )


def _handler(
    method: MethodDescriptor,
    call: Callable[..., Any],
    observer: Observer,
    *,
    decode: Callable[[bytes], Message] | None,
) -> grpc.RpcMethodHandler[Any, Any]:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    streams = inspect.isasyncgenfunction(call)
    return make(
        _observed_stream(method.name, call, observer, decode)
        if streams
        else _observed(method.name, call, observer, decode),
        response_serializer=_serialize,
    )


def _decoder(method: MethodDescriptor) -> Callable[[bytes], Message]:
    """Requests from bytes: here, since gRPC answers UNKNOWN for what its own step cannot read."""
    kind = message_factory.GetMessageClass(method.input_type)

    def decode(data: bytes) -> Message:
        too_much = excess(data, kind, PAIRS_PER_MESSAGE_MAX)
        if too_much:
            raise InvalidRequestError(
                f"{too_much}: the limit of a message is {PAIRS_PER_MESSAGE_MAX:,}"
            )
        try:
            return kind.FromString(data)
        except DecodeError:
            raise InvalidRequestError(f"the message is not a {method.input_type.name}") from None

    return decode


def _serialize(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _observed(
    name: str,
    call: Callable[..., Any],
    observer: Observer,
    decode: Callable[[bytes], Message] | None,
) -> Callable[..., Any]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        began, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        try:
            response = await call(decode(request) if decode else request)
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001
            code, text = _status(name, error)
            await context.abort(code, text, _hint(code))
        else:
            return response
        finally:
            observer.request(name, code.name, time.perf_counter() - began)

    return handle


def _observed_stream(
    name: str,
    call: Callable[..., AsyncIterator[Any]],
    observer: Observer,
    decode: Callable[[bytes], Message] | None,
) -> Callable[..., AsyncIterator[Any]]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        began, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        try:
            async for response in call(decode(request) if decode else request):
                yield response
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001
            code, text = _status(name, error)
            await context.abort(code, text, _hint(code))
        finally:
            observer.request(name, code.name, time.perf_counter() - began)

    return handle


def _status(name: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """The status of a domain error and the text that the caller gets."""
    for kind, code in _STATUSES.items():
        if isinstance(error, kind):
            return code, str(error)
    # One that answers and refuses is not away: to try again would not help.
    if isinstance(error, StoreUnavailableError) and not isinstance(error, UnusableDatabaseError):
        log.warning("%s: the database is away: %s", name, error)
        return grpc.StatusCode.UNAVAILABLE, "the database does not answer; try again"
    log.exception("%s failed", name, exc_info=error)
    if isinstance(error, CorruptPageError):
        return grpc.StatusCode.DATA_LOSS, "a stored page contradicts itself; see the service's log"
    return grpc.StatusCode.INTERNAL, "internal error; see the service's log"


def _hint(code: grpc.StatusCode) -> tuple[tuple[str, str], ...]:
    return (_RETRY,) if code is grpc.StatusCode.UNAVAILABLE else ()
