"""Services that ask for access tokens, and what the tests of tokens call them with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc

import eventindex
from eventindex.v1 import (
    admin_pb2,
    ingest_pb2,
    lookup_pb2,
)
from ingest_service.admin.tokens import create_without_service
from tests.support.processes import Service

CACHE_S = 0.5
NOT_VALID = "the token is not valid: unknown, expired or revoked"
STRANGER = "eix_" + "A" * 43
LOOKUP = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])
ANSWERED = grpc.StatusCode.OK
DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
CONTRACTS = {
    "index": [lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]],
    "ingest": [
        ingest_pb2.DESCRIPTOR.services_by_name["IngestService"],
        admin_pb2.DESCRIPTOR.services_by_name["AdminService"],
    ],
}


class Stack(NamedTuple):
    """Both services as others reach them: on all addresses, with TLS, so with tokens."""

    database_url: str
    certificates: Path
    index: Service
    ingest: Service

    def address(self, name: str) -> str:
        return (self.index if name == "index" else self.ingest).address

    def token(self, *scopes: str, lifetime_s: int = 60, subject: str = "tester") -> str:
        """The secret of a new token, made as the first one is."""
        return make(self.database_url, *scopes, lifetime_s=lifetime_s, subject=subject)

    @contextlib.contextmanager
    def channel(self, name: str) -> Iterator[grpc.Channel]:
        credentials = grpc.ssl_channel_credentials((self.certificates / "ca.pem").read_bytes())
        with grpc.secure_channel(self.address(name), credentials) as channel:
            yield channel

    def connect(self, token: str | None = None) -> eventindex.Client:
        return eventindex.connect(
            self.index.address,
            ingest_address=self.ingest.address,
            tls_ca=self.certificates / "ca.pem",
            token=token,
            retry_seconds_max=0,
        )


def open_service(module: str, **settings: object) -> Service:
    """A service that listens on all addresses of the machine."""
    service = Service(module, **settings)
    name = module.removesuffix("_service").upper()
    service.settings[f"EVENTINDEX_{name}_ADDRESS"] = f"0.0.0.0:{service.port}"
    return service


def make(url: str, *scopes: str, lifetime_s: int = 60, subject: str = "tester") -> str:
    request = admin_pb2.CreateTokenRequest(
        subject=subject, scopes=scopes, lifetime_seconds=lifetime_s
    )
    return create_without_service(url, request).secret


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def outcome(answer: Any) -> tuple[grpc.StatusCode, str]:
    """The status and text of a call of any kind, to its end."""
    try:
        if isinstance(answer, grpc.Future):
            answer.result()
        else:
            list(answer)
    except grpc.RpcError as error:
        return error.code(), error.details()
    return answer.code(), ""


def calls(channel: grpc.Channel, name: str) -> Iterator[tuple[str, Any]]:
    """Each method of a service's contracts, to be called with no bytes or no messages at all."""
    for contract in CONTRACTS[name]:
        for method in contract.methods:
            path = f"/{contract.full_name}/{method.name}"
            if method.client_streaming:
                start = channel.stream_stream(path)
                yield path, lambda m, start=start: start(iter(()), metadata=m, timeout=20)
            elif method.server_streaming:
                start = channel.unary_stream(path)
                yield path, lambda m, start=start: start(b"", metadata=m, timeout=20)
            else:
                start = channel.unary_unary(path)
                yield path, lambda m, start=start: start.future(b"", metadata=m, timeout=20)
