"""One connection to the broker, from CONNECT to its end.

A new paho client serves each connection, so an acknowledgement can never reach another one.
Never decides when to connect again; that is `bridge`.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from service_kit.settings import Settings

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 15.0
_T = TypeVar("_T")
_UNSUPPORTED_VERSION = "Unsupported protocol version"


class BrokerError(Exception):
    """The broker cannot be reached, or refuses; the text says which."""


class VersionRefusedError(BrokerError):
    """The broker does not speak this version of MQTT."""


class NoAnswerError(BrokerError):
    """The connection ended before the broker answered: some old brokers refuse MQTT 5 so."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the broker said when it accepted."""

    session_present: bool


class Connection:
    """One connection. Callbacks come from paho's network thread."""

    def __init__(
        self,
        settings: Settings,
        version: MQTTProtocolVersion,
        on_message: Callable[[Connection, MQTTMessage], None],
    ) -> None:
        self._settings = settings
        self._version = version
        self._on_message = on_message
        self._accepted: Future[Accepted] = Future()
        self._subscribed: Future[list[ReasonCode]] = Future()
        self._alive = False
        self._network_thread: threading.Thread | None = None
        self.end_reason = "the connection was lost"
        self._client = self._make_client()

    def open(self) -> Accepted:
        """Connect and wait for the broker's answer.

        Raises:
            BrokerError: no connection, no answer, or a refusal.
        """
        try:
            host, port = _host_and_port(self._settings.mqtt_url)
            if self._version == MQTTProtocolVersion.MQTTv5:
                self._client.connect(
                    host,
                    port,
                    self._settings.mqtt_keepalive_s,
                    clean_start=False,
                    properties=self._connect_properties(),
                )
            else:
                self._client.connect(host, port, self._settings.mqtt_keepalive_s)
        except (OSError, ValueError) as error:
            raise BrokerError(f"cannot connect to the broker: {error}") from error
        self._client.loop_start()
        self._network_thread = self._client._thread
        return self._answer(self._accepted, "CONNECT")

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1 and wait for the broker's answer.

        Raises:
            BrokerError: no answer, or a refusal.
        """
        wanted: Any = (
            [(name, SubscribeOptions(qos=1)) for name in filters]
            if self._version == MQTTProtocolVersion.MQTTv5
            else [(name, 1) for name in filters]
        )
        self._client.subscribe(wanted)
        codes = self._answer(self._subscribed, "SUBSCRIBE")
        for name, code in zip(filters, codes, strict=False):
            if code.is_failure:
                raise BrokerError(f"the broker refuses the subscription to {name}: {code}")
            if code.value == 0:
                log.error("the broker grants QoS 0 for %s: messages can be lost", name)

    def ack(self, message_id: int) -> bool:
        """Acknowledge a message of this connection; False when the connection has ended."""
        return self._alive and self._client.ack(message_id, 1) is MQTTErrorCode.MQTT_ERR_SUCCESS

    def flush(self, name: str) -> None:
        """Wait until the broker has read every acknowledgement.

        Closing a socket with unread input resets it, and the broker then drops what it has not
        read either. It answers in order: a subscription made once more comes after the rest.
        """
        self._subscribed = Future()
        try:
            self.subscribe([name])
        except BrokerError as error:
            log.info("the broker may send some messages again: %s", error)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait for the end of the connection or of its network thread; whether it has ended."""
        thread = self._network_thread
        if thread is not None:
            thread.join(timeout_s)
        if thread is not None and thread.is_alive():
            return False
        self._alive = False
        return True

    def disconnect(self) -> None:
        """Say goodbye; the broker keeps the session."""
        self._client.disconnect()

    def close(self) -> None:
        """End the connection and its thread, whatever the broker says."""
        self._alive = False
        thread = self._network_thread
        self._client.disconnect()
        if thread is not None and thread is not threading.current_thread():
            thread.join(2.0)
            raw = self._client.socket()
            if thread.is_alive() and raw is not None:
                _shut(raw)
            self._client.loop_stop()

    def _make_client(self) -> Client:
        settings = self._settings
        is_5 = self._version == MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.mqtt_client_id,
            clean_session=None if is_5 else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = HANDSHAKE_TIMEOUT_S
        url = urlsplit(settings.mqtt_url)
        if url.username is not None:
            password = None if url.password is None else unquote(url.password)
            client.username_pw_set(unquote(url.username), password)
        if url.scheme == "mqtts":
            client.tls_set_context(_tls_context(settings))
        client.on_connect = self._connected
        client.on_subscribe = self._suback
        client.on_disconnect = self._disconnected
        client.on_message = lambda _client, _data, message: self._on_message(self, message)
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._settings.mqtt_session_expiry_s
        properties.ReceiveMaximum = min(
            self._settings.mqtt_receive_maximum, self._settings.queue_messages_max
        )
        return properties

    def _answer(self, future: Future[_T], packet: str) -> _T:
        try:
            return future.result(HANDSHAKE_TIMEOUT_S)
        except TimeoutError:
            raise NoAnswerError(f"no answer to {packet} for {HANDSHAKE_TIMEOUT_S:.0f} s") from None

    def _connected(
        self, _client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _more: object
    ) -> None:
        if code.is_failure:
            kind = VersionRefusedError if str(code) == _UNSUPPORTED_VERSION else BrokerError
            _settle(self._accepted, error=kind(f"the broker refuses the connection: {code}"))
            return
        self._alive = True
        _settle(self._accepted, Accepted(flags.session_present))

    def _suback(
        self, _client: Client, _data: object, _id: int, codes: list[ReasonCode], _more: object
    ) -> None:
        _settle(self._subscribed, codes)

    def _disconnected(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _m: object
    ) -> None:
        self._alive = False
        if flags.is_disconnect_packet_from_server:
            self.end_reason = f"the broker ended the connection: {code}"
        error = NoAnswerError("the connection ended before the broker answered")
        _settle(self._accepted, error=error)
        _settle(self._subscribed, error=error)


def _settle(future: Future[Any], value: object = None, *, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or (8883 if parts.scheme == "mqtts" else 1883)


def _tls_context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=str(settings.mqtt_tls_ca) if settings.mqtt_tls_ca else None
    )
    if settings.mqtt_tls_cert and settings.mqtt_tls_key:
        context.load_cert_chain(settings.mqtt_tls_cert, settings.mqtt_tls_key)
    if settings.mqtt_alpn:
        context.set_alpn_protocols([settings.mqtt_alpn])
    return context


def _shut(raw: object) -> None:
    if isinstance(raw, socket.socket):
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.debug("shutdown failed: %s", error)
