"""A service's methods as gRPC handlers: observed, with errors mapped to statuses.

Requests come from gRPC as bytes and are parsed here: gRPC itself would answer what is no message
with UNKNOWN. Handlers may answer a message or its serialized bytes.
"""

from __future__ import annotations

import inspect
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Container
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, Protocol

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc import aio

from service_kit import calls, tracing
from service_kit.auth import caller_subject
from service_kit.errors import IncompleteServiceError
from service_kit.quotas import Quotas
from service_kit.requests import parse, parse_all
from service_kit.statuses import Status, status_of
from service_kit.stream_access import check_stream, checked

log = logging.getLogger(__name__)


# How calls end by no fault of the caller.
_FAULTS = frozenset({"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNIMPLEMENTED"})


class Observer(Protocol):
    """Is told of every call that begins and ends."""

    def running(self, method: str, change: int) -> None:
        """Note that a call began (1) or ended (-1)."""

    def request(self, method: str, code: str, seconds: float) -> None:
        """Note that a call ended with a status after so many seconds."""


class _Watch(NamedTuple):
    """Who is told of calls, how long a slow one takes, and what callers may have at once."""

    observer: Observer
    slow_call_s: float
    quotas: Quotas | None


def handlers(
    contract: ServiceDescriptor,
    service: object,
    observer: Observer,
    undecoded: Container[str] = (),
    *,
    slow_call_s: float = math.inf,
    quotas: Quotas | None = None,
) -> grpc.GenericRpcHandler:
    """Return the methods of the contract. Those named in `undecoded` take their requests as bytes.

    Raises:
        IncompleteServiceError: `service` lacks a method.
    """
    watch = _Watch(observer, slow_call_s, quotas)
    return grpc.method_handlers_generic_handler(
        contract.full_name,
        {
            name: _handler(
                contract.methods_by_name[name], call, watch, decoded=name not in undecoded
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
    method: MethodDescriptor, call: Callable[..., Any], watch: _Watch, *, decoded: bool
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
    return make(observed(method.name, read, call, watch), response_serializer=_serialize)


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
    name: str, read: Callable[[Any], Any], call: Callable[..., Any], watch: _Watch
) -> Callable[..., Any]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        observed = _Call(name, context, watch)
        try:
            observed.admit(request)
            response = await call(read(request))
            observed.code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status
            await context.abort(*observed.failed(error))
        else:
            return response
        finally:
            observed.end()

    return handle


def _observed_stream(
    name: str,
    read: Callable[[Any], Any],
    call: Callable[..., AsyncIterator[Any]],
    watch: _Watch,
) -> Callable[..., AsyncIterator[Any]]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        observed = _Call(name, context, watch)
        try:
            observed.admit(request)
            async for response in call(read(request)):
                await check_stream()
                yield response
            observed.code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a status
            await context.abort(*observed.failed(error))
        finally:
            observed.end()

    return handle


class _Call:
    """A call from its beginning to its end. One without another code was cancelled."""

    def __init__(self, name: str, context: aio.ServicerContext[Any, Any], watch: _Watch) -> None:
        self._name = name
        self._watch = watch
        self._began = time.perf_counter()
        self.code = grpc.StatusCode.CANCELLED
        calls.begin(
            context.invocation_metadata() or (), str(context.peer()), context.time_remaining()
        )
        self._tally = calls.tally()
        self._span = tracing.CallSpan(name)
        self._subject = caller_subject()
        self._held = ExitStack()
        watch.observer.running(name, 1)

    def admit(self, request: Any) -> None:
        """Take the caller's place for as long as the call lasts, and count the bytes of a request.

        Raises:
            TooMuchError: there is no place, or there are too many bytes.
        """
        if self._watch.quotas is None:
            return
        self._held.enter_context(self._watch.quotas.call(self._subject))
        if isinstance(request, bytes):
            self._held.enter_context(self._watch.quotas.request(len(request)))

    def failed(self, error: Exception) -> Status:
        """Return how the call ends by an error."""
        status = status_of(self._name, error)
        self.code = status.code
        return status

    def end(self) -> None:
        """Give back what it held; tell the observer and the log."""
        self._held.close()
        seconds = time.perf_counter() - self._began
        self._watch.observer.running(self._name, -1)
        self._watch.observer.request(self._name, self.code.name, seconds)
        values = {
            "method": self._name,
            "subject": self._subject or calls.peer(),
            "pairs": self._tally.pairs,
            "seconds": round(seconds, 6),
            "code": self.code.name,
        }
        failed = self.code.name in _FAULTS
        self._span.end(self._name, failed=failed, code=self.code.name, pairs=self._tally.pairs)
        slow = " (slow)" if seconds >= self._watch.slow_call_s else ""
        log.info("%s by %s: %d pairs, took %.3f s: %s%s", *values.values(), slow, extra=values)
