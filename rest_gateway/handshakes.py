"""TLS in front of a connection of the gateway: a handshake has a time, and counts for its address.

asyncio's own server waits a minute for it, before anything of ours sees the connection. Never looks
at what comes behind the handshake.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import cast

from rest_gateway.connections import Connections
from service_kit.settings_gateway import HTTP_HANDSHAKE_S_MAX

log = logging.getLogger(__name__)

_GOODBYE_S = 5.0
MakeProtocol = Callable[[], asyncio.Protocol]


class Handshake(asyncio.Protocol):
    """A connection until its TLS stands; then it is handed to the protocol of HTTP."""

    def __init__(
        self, context: ssl.SSLContext, connections: Connections, make: MakeProtocol
    ) -> None:
        self._context, self._connections, self._make = context, connections, make
        self._early: list[bytes] = []
        self._lost = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless the address has too many connections."""
        plain = cast("asyncio.Transport", transport)
        plain.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._shake_hands(plain))

    def data_received(self, data: bytes) -> None:
        """Keep what comes in one packet with the end of the handshake."""
        self._early.append(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Note that nobody is there any more."""
        self._lost = True

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        with self._connections.place(plain) as place:
            tls = await self._secured(plain) if place else None
        if tls is None or self._lost:
            plain.abort()
            return
        inner = self._make()
        inner.connection_made(tls)
        tls.set_protocol(inner)
        for piece in self._early:
            inner.data_received(piece)

    async def _secured(self, plain: asyncio.Transport) -> asyncio.Transport | None:
        try:
            return await asyncio.get_running_loop().start_tls(
                plain,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HTTP_HANDSHAKE_S_MAX,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError as error:  # of TLS too; and no end in time
            log.debug("no TLS with %s: %s", plain.get_extra_info("peername"), error)
            return None
