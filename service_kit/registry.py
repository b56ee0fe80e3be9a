"""A service's methods as gRPC handlers: observed, with errors mapped to statuses.

Requests come from gRPC as bytes and are parsed here: gRPC itself would answer what is no message
with UNKNOWN. Handlers may answer a message or its serialized bytes.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Callable, Container
from functools import partial
from typing import Any, Protocol

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc import aio

from service_kit.errors import IncompleteServiceError
from service_kit.requests import parse, parse_all
from service_kit.statuses import status_of
from service_kit.stream_access import check_stream, checked


class Observer(Protocol):
    """Is told of every call that ended."""

    def request(self, method: str, code: str, seconds: float) -> None:
        """Note that a call ended with a status after so many seconds."""


def handlers(
    contract: ServiceDescriptor,
    service: object,
    observer: Observer,
    undecoded: Container[str] = (),
) -> grpc.GenericRpcHandler:
    """Return the methods of the contract. Those named in `undecoded` take their requests as bytes.

    Raises:
        IncompleteServiceError: `service` lacks a method.
    """
    return grpc.method_handlers_generic_handler(
        contract.full_name,
        {
            name: _handler(
                contract.methods_by_name[name], call, observer, decoded=name not in undecoded
            )
            for name, call in methods(contract, service).items()
        },
    )


def methods(contract: ServiceDescriptor, service: object) -> dict[str, Callable[..., Any]]:
    """Return the methods of a service by their names in the contract.

    Raises:
        IncompleteServiceError: one is not there; a server without it would seem to be older.
    """
    missing = [method.name for method in contract.methods if not hasattr(service, method.name)]
    if missing:
        raise IncompleteServiceError(
            f"{contract.full_name} has methods that nothing here implements: {', '.join(missing)}"
        )
    return {method.name: getattr(service, method.name) for method in contract.methods}


def _handler(
    method: MethodDescriptor, call: Callable[..., Any], observer: Observer, *, decoded: bool
) -> grpc.RpcMethodHandler[Any, Any]:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    observed = _observed_stream if inspect.isasyncgenfunction(call) else _observed
    read = _reader(method) if decoded else _as_it_is
    if method.client_streaming:
        read = _checked(read)
    return make(observed(method.name, read, call, observer), response_serializer=_serialize)


def _reader(method: MethodDescriptor) -> Callable[[Any], Any]:
    """Return what turns the bytes of one request, or of many, into what the call takes."""
    kind = message_factory.GetMessageClass(method.input_type)
    return partial(parse_all if method.client_streaming else parse, kind)


def _as_it_is(request: Any) -> Any:
    return request


def _checked(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda requests: read(checked(requests))


def _serialize(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


def _observed(
    name: str, read: Callable[[Any], Any], call: Callable[..., Any], observer: Observer
) -> Callable[..., Any]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        began, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        try:
            response = await call(read(request))
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status
            status = status_of(name, error)
            code = status.code
            await context.abort(*status)
        else:
            return response
        finally:
            observer.request(name, code.name, time.perf_counter() - began)

    return handle


def _observed_stream(
    name: str,
    read: Callable[[Any], Any],
    call: Callable[..., AsyncIterator[Any]],
    observer: Observer,
) -> Callable[..., AsyncIterator[Any]]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        began, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        try:
            async for response in call(read(request)):
                await check_stream()
                yield response
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status
            status = status_of(name, error)
            code = status.code
            await context.abort(*status)
        finally:
            observer.request(name, code.name, time.perf_counter() - began)

    return handle
