"""Health checking and reflection as gRPC's own packages answer them, their requests parsed here.

Never knows what makes a service healthy.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc import aio
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service_kit.errors import MalformedRequestError, TokenEndedError
from service_kit.requests import parse
from service_kit.statuses import status_of
from service_kit.stream_access import check_stream, checked

log = logging.getLogger(__name__)

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
_Context = aio.ServicerContext[Any, Any]


_STATES = health_pb2.HealthCheckResponse


class Health(health.aio.HealthServicer):
    """Health checking that follows readiness, with the `List` that gRPC's package leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self._names = {""}
        self._ready: Callable[[], bool] = lambda: False
        self._said: bool | None = None

    async def serve(self, services: Sequence[str], ready: Callable[[], bool]) -> None:
        """Say of these services what `ready` returns, from now on."""
        self._names |= {*services}
        self._ready, self._said = ready, None
        await self.refresh()

    async def refuse(self) -> None:
        """Say from now on that nothing is taken in."""
        await self.serve((), lambda: False)

    async def refresh(self) -> None:
        """Look again whether all is ready, and tell those who watch."""
        ready = self._ready()
        if ready is not self._said:
            self._said = ready
            for name in self._names:
                await self.set(name, _STATES.SERVING if ready else _STATES.NOT_SERVING)

    async def Check(self, request: Any, context: Any) -> Any:
        """Return the state of a service as it is now."""
        await self.refresh()
        return await super().Check(request, context)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: ARG002  # the signature of gRPC
        """Return the state of every service."""
        asked = {name: health_pb2.HealthCheckRequest(service=name) for name in sorted(self._names)}
        # The type stubs of the package know no List.
        return health_pb2.HealthListResponse(  # type: ignore[attr-defined]
            statuses={name: await self.Check(one, context) for name, one in asked.items()}
        )


def health_handlers(servicer: Health) -> grpc.GenericRpcHandler:
    """Return the methods of health checking."""
    return _handlers(_HEALTH, servicer)


def reflection_handlers(services: Sequence[str]) -> grpc.GenericRpcHandler:
    """Return the methods of reflection, which lists these services, health checking and itself."""
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    return _handlers(_REFLECTION, reflection.aio.ReflectionServicer(names))


def _handlers(contract: Any, servicer: object) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        contract.full_name,
        {
            method.name: _handler(method, getattr(servicer, method.name))
            for method in contract.methods
        },
    )


def _handler(method: MethodDescriptor, call: Callable[..., Any]) -> grpc.RpcMethodHandler[Any, Any]:
    kind = message_factory.GetMessageClass(method.input_type)

    async def read(data: bytes, context: _Context) -> Message:
        try:
            return parse(kind, data)
        except MalformedRequestError as error:
            await context.abort(*status_of(method.name, error))

    async def one(data: bytes, context: _Context) -> Any:
        request = await read(data, context)
        try:
            return await call(request, _Checked(context) if method.server_streaming else context)
        except TokenEndedError as error:
            await context.abort(*status_of(method.name, error))

    async def stream(requests: AsyncIterator[bytes], context: _Context) -> AsyncIterator[Any]:
        messages = (await read(data, context) async for data in checked(requests))
        try:
            async for response in call(messages, context):
                yield response
        except TokenEndedError as error:
            await context.abort(*status_of(method.name, error))

    if method.client_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, response_serializer=_serialize)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(one, response_serializer=_serialize)
    return grpc.unary_unary_rpc_method_handler(one, response_serializer=_serialize)


class _Checked:
    """A context that writes for as long as the token of the call is good."""

    def __init__(self, context: _Context) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Message) -> None:
        """Write a message."""
        await check_stream()
        await self._context.write(message)


def _serialize(response: Message) -> bytes:
    return response.SerializeToString()
