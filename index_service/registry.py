"""IndexService's methods as gRPC handlers."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import grpc

from eventindex.v1 import lookup_pb2
from service_kit import registry
from service_kit.registry import Observer

# Their columns are decoded by NumPy.
_UNDECODED = frozenset({"Lookup", "LookupStream"})
SERVICE = lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]


def handlers(parts: Sequence[object], observer: Observer) -> grpc.GenericRpcHandler:
    """Return the methods of the contract, each from the part that has it.

    Raises:
        IncompleteServiceError: no part has one of them.
    """
    service = SimpleNamespace(
        **{
            method.name: getattr(part, method.name)
            for method in SERVICE.methods
            for part in parts
            if hasattr(part, method.name)
        }
    )
    return registry.handlers(SERVICE, service, observer, _UNDECODED)
