"""One connection to the broker, from CONNECT to its end, with a network thread of its own.

A new paho client serves each connection, so an acknowledgement can never reach another one. paho
speaks the protocol over a `Link`, which keeps messages and their acknowledgements out of it.
Never decides when to connect again; that is `bridge`.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest_service.mqtt_link import Link, Message
from service_kit.settings import Settings

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 15.0
_POLL_S = 1.0
_SUCCESS = MQTTErrorCode.MQTT_ERR_SUCCESS
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


class _Client(Client):
    """paho over a `Link`. The one place that overrides what paho does not document."""

    def __init__(self, *args: Any, on_messages: Callable[[list[Message]], None], **options: Any):
        super().__init__(*args, **options)
        self._on_messages = on_messages

    def _create_socket(self) -> Any:
        raw: Any = super()._create_socket()
        is_5 = self._protocol == MQTTProtocolVersion.MQTTv5
        return Link(raw, is_5=is_5, on_messages=self._on_messages)


class Connection:
    """One connection. Callbacks come from its network thread."""

    def __init__(
        self,
        settings: Settings,
        version: MQTTProtocolVersion,
        on_messages: Callable[[Connection, list[Message]], None],
    ) -> None:
        self._settings = settings
        self._version = version
        self._on_messages = on_messages
        self._accepted: Future[Accepted] = Future()
        self._subscribed: Future[list[ReasonCode]] = Future()
        self._alive = False
        self._acks: deque[int] = deque()
        self._woken = False
        self._paused = False
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._network_thread = threading.Thread(target=self._run, name="mqtt-network", daemon=True)
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
        self._network_thread.start()
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
        if not self._alive:
            return False
        self._acks.append(message_id)
        self._wake()
        return True

    def pause(self) -> None:
        """Read nothing: the broker is held back by TCP, and acknowledgements still go out.

        A pause of more than two keep-alive intervals ends the connection.
        """
        self._paused = True

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        self._wake()

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
        """Wait for the end of the network thread; whether it has ended."""
        self._network_thread.join(timeout_s)
        return not self._network_thread.is_alive()

    def disconnect(self) -> None:
        """Say goodbye; the broker keeps the session."""
        self._client.disconnect()

    def close(self) -> None:
        """End the connection and its thread, whatever the broker says."""
        self._alive = False
        thread = self._network_thread
        self._client.disconnect()
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(2.0)
            link: Any = self._client.socket()
            if thread.is_alive() and link is not None:
                _shut(link)
            thread.join(2.0)
        if not thread.is_alive():
            self._wake_in.close()
            self._wake_out.close()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception:
            log.exception("the connection ends; the broker will send its messages again")
        finally:
            link: Any = self._client.socket()
            if link is not None:
                link.close()
            self._ended()

    def _turn(self) -> bool:
        """Wait for something to read or write and do it; whether the connection lives."""
        client = self._client
        link: Any = client.socket()
        if link is None:
            return False
        wants_write = client.want_write() or link.wants_write()
        waiting = not self._paused and link.pending()
        readable, writable, _ = select.select(
            [self._wake_in] if self._paused else [link, self._wake_in],
            [link] if wants_write else [],
            [],
            0.0 if waiting else _POLL_S,
        )
        if (link in readable or waiting) and client.loop_read() != _SUCCESS:
            return False
        if self._wake_in in readable:
            self._wake_in.recv(4096)
            # Cleared before the work is looked at: what comes later wakes again.
            self._woken = False
        if client.want_write() and client.loop_write() != _SUCCESS:
            return False
        if client.socket() is not None and not client.want_write():
            self._send_acks(link, flush=bool(writable))
        return client.loop_misc() == _SUCCESS

    def _send_acks(self, link: Link, *, flush: bool) -> None:
        if flush:
            link.flush()
        if self._acks:
            link.acknowledge([self._acks.popleft() for _ in range(len(self._acks))])

    def _wake(self) -> None:
        """Let the network thread look for work."""
        if self._woken:
            return
        self._woken = True
        try:
            self._wake_out.send(b"\0")
        except OSError as error:
            log.debug("the network thread cannot be woken: %s", error)

    def _make_client(self) -> Client:
        settings = self._settings
        is_5 = self._version == MQTTProtocolVersion.MQTTv5
        client = _Client(
            CallbackAPIVersion.VERSION2,
            on_messages=lambda messages: self._on_messages(self, messages),
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
        client.on_socket_register_write = lambda *_: self._wake()
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
        if flags.is_disconnect_packet_from_server:
            self.end_reason = f"the broker ended the connection: {code}"
        self._ended()

    def _ended(self) -> None:
        self._alive = False
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


def _shut(link: Link) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("shutdown failed: %s", error)
