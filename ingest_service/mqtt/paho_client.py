"""paho's client over a `Link`. The one place that overrides what paho does not document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion

from ingest_service.mqtt.link import Link, Message
from ingest_service.mqtt.tls import HandshakeCutError


class LinkedClient(Client):
    """A client whose messages and acknowledgements go past paho."""

    def __init__(self, *args: Any, on_messages: Callable[[list[Message]], None], **options: Any):
        super().__init__(*args, **options)
        self._on_messages = on_messages
        self._link: Link | None = None

    def _create_socket(self) -> Any:
        raw: Any = super()._create_socket()
        is_5 = self._protocol == MQTTProtocolVersion.MQTTv5
        self._link = Link(raw, is_5=is_5, on_messages=self._on_messages)
        return self._link

    def _ssl_wrap_socket(self, tcp_sock: Any) -> Any:
        # paho's own leaves the socket of a handshake that failed to the garbage collector.
        context: Any = self._ssl_context
        tls = context.wrap_socket(
            tcp_sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        try:
            tls.settimeout(self.connect_timeout)
            tls.do_handshake()
        except BaseException as error:
            tls.close()
            if isinstance(error, ConnectionError):
                raise HandshakeCutError(error.errno, error.strerror) from error
            raise
        return tls

    @property
    def broke(self) -> OSError | None:
        """What broke the connection, which paho keeps to itself."""
        return None if self._link is None else self._link.broke
