"""A grpc.aio server as every service wants it: limits, keepalive, TLS, tokens, health, reflection.

Never knows a service's own messages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpc import aio

from service_kit import probes
from service_kit.auth import access_control
from service_kit.health import INTERVAL_S
from service_kit.settings import MESSAGE_BYTES_MAX, Settings, is_loopback, split_address
from service_kit.tls_files import grpc_credentials, tls_files
from service_kit.unknown_methods import UnknownMethods

log = logging.getLogger(__name__)

# Clients may ping an idle connection every 20 s (the Python client does every 60 s).
_OPTIONS = [
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # gRPC itself waits two minutes.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.http2.max_ping_strikes", 2),
]


class UnsafeAddressError(ValueError):
    """An address that others can reach, without TLS and without leave."""


class PortTakenError(OSError):
    """Another process listens on the address, or it cannot be bound here."""

    @classmethod
    def of(cls, address: str, error: OSError) -> PortTakenError:
        """Return the error of binding an address."""
        return cls(error.errno, f"cannot listen on {address}: {error.strerror or error}")


class ManagedServer:
    """A grpc.aio server with health checking that drains when it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        address: str,
        *,
        concurrent_rpcs_max: int | None = None,
        shared_port: bool = False,
    ) -> None:
        self._grace_s = settings.shutdown_grace_s
        self._access = access_control(settings, address)
        self.server = aio.server(
            interceptors=[self._access],
            options=[
                *_OPTIONS,
                ("grpc.so_reuseport", int(shared_port)),
                ("grpc.max_connection_age_ms", settings.connection_age_max_s * 1000),
                ("grpc.max_connection_age_grace_ms", settings.connection_age_grace_s * 1000),
            ],
            maximum_concurrent_rpcs=concurrent_rpcs_max,
        )
        self._health = probes.Health()
        self.server.add_generic_rpc_handlers((probes.health_handlers(self._health),))
        check_exposure(settings, address)
        if not shared_port:
            probe_port(address)
        files = tls_files(settings)
        self.port = (
            self.server.add_secure_port(address, grpc_credentials(files))
            if files
            else self.server.add_insecure_port(address)
        )

    async def start(
        self, services: Sequence[str], ready: Mapping[str, Callable[[], str | None]]
    ) -> None:
        """Serve, with the full names of the services in health and reflection.

        Args:
            services: the names.
            ready: the checks that /readyz makes: health checking says the same.
        """
        self.server.add_generic_rpc_handlers((probes.reflection_handlers(services),))
        self.server.add_generic_rpc_handlers((UnknownMethods(services),))
        await self._health.serve(services, lambda: not any(check() for check in ready.values()))
        await self.server.start()

    async def watch_readiness(self) -> None:
        """Tell those who watch the health of the services, until cancelled."""
        while True:
            await self._health.refresh()
            await asyncio.sleep(INTERVAL_S)

    async def refuse(self) -> None:
        """Tell health checks that nothing is taken in any more."""
        await self._health.refuse()

    async def stop(self) -> None:
        """Refuse new calls, let the running ones end within the grace period."""
        await self._health.enter_graceful_shutdown()
        await self.server.stop(self._grace_s)
        self._access.close()


def stop_signal(loop: asyncio.AbstractEventLoop, end_after_s: float | None = None) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set.

    Args:
        loop: the event loop of the process.
        end_after_s: the process ends after so many seconds, whatever it still waits for.
    """
    stopping = asyncio.Event()

    def stop() -> None:
        if end_after_s is not None and not stopping.is_set():
            end_after(end_after_s)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def end_after(seconds: float) -> None:
    """Let the process end after so many seconds, whatever it still waits for."""
    last = threading.Timer(seconds, _end_undrained, [seconds])
    last.daemon = True
    last.start()


def _end_undrained(after_s: float) -> None:
    # As after a kill -9 nothing is lost: what was not acknowledged comes again.
    log.critical("not drained within %.0f s (EVENTINDEX_SHUTDOWN_MAX_S): the process ends", after_s)
    os._exit(1)


def check_exposure(settings: Settings, address: str, *, tls: bool = True) -> None:
    """Refuse an address that others reach unless TLS is on or plaintext was allowed by name.

    Args:
        settings: the settings of the process.
        address: host:port.
        tls: whether this port uses the certificate of the settings (metrics ports do not).

    Raises:
        UnsafeAddressError: the address is not loopback, there is no TLS and no leave.
    """
    if is_loopback(address) or settings.allow_plaintext or (tls and settings.tls_cert):
        return
    raise UnsafeAddressError(
        f"{address} can be reached from other machines and would serve without TLS: set "
        "EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY, or EVENTINDEX_ALLOW_PLAINTEXT=true on a "
        "network that nobody else reaches"
    )


def probe_port(address: str) -> None:
    """Fail early when another process listens: gRPC itself may share the port in silence.

    Raises:
        PortTakenError: the address is taken or cannot be bound here.
    """
    if split_address(address)[1] == 0:
        return
    family, sockaddr = resolve(address)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(sockaddr)
        except OSError as error:
            raise PortTakenError.of(address, error) from error


def resolve(address: str) -> tuple[socket.AddressFamily, Any]:
    """Return the family and the socket address of host:port."""
    host, port = split_address(address)
    family, _, _, _, sockaddr = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return family, sockaddr
