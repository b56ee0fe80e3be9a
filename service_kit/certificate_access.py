"""Calls that a client certificate lets in: the subject is asked for scopes and noted.

gRPC tells who shows a certificate only once a call has begun, so the check stands before the method
and not in the interceptor. Never verifies a certificate: TLS has done that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from inspect import isasyncgenfunction
from typing import Any

import grpc
from grpc import aio

Check = Callable[[aio.ServicerContext[Any, Any]], Awaitable[None]]


def subject_of(context: aio.ServicerContext[Any, Any]) -> str:
    """Return the subject of the caller's certificate as RFC 2253 writes it, "" without one."""
    found = context.auth_context() or {}
    for name, form in (("x509_subject", "{}"), ("x509_common_name", "CN={}")):
        values = [value for value in found.get(name, ()) if value]
        if values:
            return form.format(bytes(values[0]).decode(errors="replace"))
    return ""


def checked_handler(handler: Any, check: Check) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler of a method behind a check, which aborts the call or does not."""
    kinds: dict[tuple[bool, bool], tuple[str, Callable[..., Any]]] = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
    }
    name, make = kinds[bool(handler.request_streaming), bool(handler.response_streaming)]
    call = getattr(handler, name)
    made: grpc.RpcMethodHandler[Any, Any] = make(
        _many(call, check) if isasyncgenfunction(call) else _one(call, check),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
    return made


def _one(call: Callable[..., Any], check: Check) -> Callable[..., Any]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        await check(context)
        return await call(request, context)

    return handle


def _many(call: Callable[..., Any], check: Check) -> Callable[..., Any]:
    async def handle(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        await check(context)
        async with aclosing(call(request, context)) as answers:
            async for answer in answers:
                yield answer

    return handle
