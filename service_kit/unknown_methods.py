"""What is said to a call that a server does not have: which service it came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from grpc import aio

_PACKAGE = "eventindex.v1."
_SERVED_BY = {
    "IndexService": "the index service (usually port 50051)",
    "IngestService": "the ingest service (usually port 50052)",
    "AdminService": "the ingest service (usually port 50052)",
}


class UnknownMethods(grpc.GenericRpcHandler):
    """Answers calls of the contract that no other handler has: stands behind all of them."""

    def __init__(self, services: Sequence[str]) -> None:
        """`services`: the full names of those that are here."""
        self._services = services

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return a handler that answers with UNIMPLEMENTED and why; None for foreign calls."""
        full_name, _, method = handler_call_details.method.lstrip("/").rpartition("/")
        if not full_name.startswith(_PACKAGE):
            return None
        text = self._why(full_name, method)

        async def abort(_: Any, context: aio.ServicerContext[Any, Any]) -> None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

        return grpc.unary_unary_rpc_method_handler(abort)

    def _why(self, full_name: str, method: str) -> str:
        name = full_name.removeprefix(_PACKAGE)
        if full_name in self._services or name not in _SERVED_BY:
            return f"{name} has no {method[:80]} here: the caller may be newer than this service"
        here = _SERVED_BY[self._services[0].removeprefix(_PACKAGE)].partition(" (")[0]
        return f"this is {here}: {name} is at the address of {_SERVED_BY[name]}"
