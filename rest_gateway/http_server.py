"""The edge to the network: uvicorn, with what it does not bound itself.

A head has a size and a time, an answer is cut when nobody reads it, and one address has some
connections. Never looks into a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rest_gateway.connections import Connections, address_of
from rest_gateway.handshakes import Handshake
from service_kit.hosts import parse_networks
from service_kit.settings import Settings, split_address
from service_kit.settings_gateway import (
    HTTP_HEAD_BYTES_MAX,
    HTTP_HEAD_S_MAX,
    HTTP_HEADERS_MAX,
    HTTP_UNREAD_S_MAX,
)
from service_kit.tls_files import HttpTls

log = logging.getLogger(__name__)

# The parser copies a long header with each piece.
_PIECE_BYTES = 16 * 1024
_PIPELINED_MAX = 16
# A reader who took less than this in the time is taken for one who does not read.
_PROGRESS_BYTES_MIN = 16 * 1024
# How long what still comes is thrown away, so that the refusal is seen.
_LINGER_S = 5.0
_ENDINGS = {
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class Protocol(HttpToolsProtocol):
    """A connection: its head, what is written to it, and its end."""

    counted = Connections()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless the address has too many connections."""
        super().connection_made(transport)
        self._head_open, self._head_bytes, self._refused = True, 0, False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unread_bytes = 0
        self._address = address_of(transport)
        if not self.counted.take(self._address):
            transport.abort()
            return
        self._in(HTTP_HEAD_S_MAX, "head", self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.counted.give_back(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read in pieces, and no more of a head than it may have."""
        while data and not self._refused and not self.transport.is_closing():
            size = _PIECE_BYTES
            if was_open := self._head_open:
                size = min(size, HTTP_HEAD_BYTES_MAX - self._head_bytes)
            piece, data = data[:size], data[size:]
            super().data_received(piece)
            if not self._head_open:
                continue
            self._head_bytes += len(piece) if was_open else 0
            headers = len(self.headers or ())
            if self._head_bytes >= HTTP_HEAD_BYTES_MAX or headers > HTTP_HEADERS_MAX:
                self._refuse(431)
            elif "head" not in self._timers:
                self._in(HTTP_HEAD_S_MAX, "head", self._head_is_late)
        if len(self.pipeline) > _PIPELINED_MAX:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._head_open = True

    def on_headers_complete(self) -> None:
        """Note that it has ended."""
        self._head_open, self._head_bytes = False, 0
        self._cancel("head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the body has ended, wanted or not."""
        self._cancel("linger")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a body that nobody reads any more some time to end."""
        if not self.pipeline and self.cycle.more_body and not self.transport.is_closing():
            self._in(_LINGER_S, "linger", self.transport.abort)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the reader."""
        super().pause_writing()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._in(HTTP_UNREAD_S_MAX, "unread", self._look_at_reader)

    def resume_writing(self) -> None:
        """Go on."""
        self._cancel("unread")
        super().resume_writing()

    def _look_at_reader(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread <= self._unread_bytes - _PROGRESS_BYTES_MIN:
            self._unread_bytes = unread
            self._in(HTTP_UNREAD_S_MAX, "unread", self._look_at_reader)
            return
        log.info("%s did not read its answer for %g s: cut", self._address, HTTP_UNREAD_S_MAX)
        self.transport.abort()

    def _head_is_late(self) -> None:
        # What stands behind a request that is being answered may wait in the network.
        if self.cycle is not None and not self.cycle.response_complete:
            self._in(HTTP_HEAD_S_MAX, "head", self._head_is_late)
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """End the connection with a status, in a way that lets the client see it."""
        self._refused = True
        self.transport.write(_ENDINGS[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        with contextlib.suppress(NotImplementedError):  # TLS cannot close one half
            self.transport.write_eof()
        self._in(_LINGER_S, "linger", self.transport.abort)

    def _in(self, seconds: float, name: str, call: Any) -> None:
        self._cancel(name)
        self._timers[name] = self.loop.call_later(seconds, call)

    def _cancel(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


class Server(uvicorn.Server):
    """Stops when it is told to by others: it takes no signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: uvicorn would die of them in the end."""
        yield

    async def stop_after(self, stopping: asyncio.Event) -> None:
        """Refuse new connections and let the running requests end, once the event is set."""
        await stopping.wait()
        log.info("stopping: running requests have %d s", self.config.timeout_graceful_shutdown)
        self.should_exit = True


def _secured(tls: HttpTls, protocol: type[Protocol], **given: Any) -> Handshake:
    return Handshake(tls.context, protocol.counted, partial(protocol, **given))


def configure(settings: Settings, app: Any, tls: HttpTls | None = None) -> uvicorn.Config:
    """Return how uvicorn serves the application.

    It knows nothing of TLS: its server would wait too long for a handshake.
    """
    host, port = split_address(settings.http_address)
    proxies = parse_networks(settings.http_proxies)
    counted = {"counted": Connections(proxies)}
    protocol: Any = type("ProtocolBehindProxies", (Protocol,), counted)
    if tls is not None:
        protocol = partial(_secured, tls, protocol)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[str(network) for network in proxies],
        timeout_graceful_shutdown=max(int(settings.shutdown_grace_s), 1),
    )
