"""One connection to the broker, from CONNECT to its end, with a network thread of its own.

A new paho client serves each connection, so an acknowledgement can never reach another one. paho
speaks the protocol over a `Link`, which keeps messages and their acknowledgements out of it.
Never decides when to connect again; that is `bridge`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from eventindex.hosts import split_mqtt_url
from ingest_service.model import Terms
from ingest_service.mqtt.broker_terms import read_terms
from ingest_service.mqtt.link import Message
from ingest_service.mqtt.network import NetworkThread
from ingest_service.mqtt.paho_client import LinkedClient
from ingest_service.mqtt.tls import reason_of, tls_context
from service_kit.settings import Settings

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 15.0
_T = TypeVar("_T")
_LOST = "the connection was lost"
_UNSUPPORTED_VERSION = "Unsupported protocol version"


class BrokerError(Exception):
    """The broker cannot be reached, or refuses; the text says which."""


class VersionRefusedError(BrokerError):
    """The broker does not speak this version of MQTT."""


class SubscriptionRefusedError(BrokerError):
    """The broker does not let this client subscribe."""


class NoAnswerError(BrokerError):
    """The connection ended before the broker answered: some old brokers refuse MQTT 5 so."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the broker said when it accepted; no terms in MQTT 3.1.1."""

    session_present: bool
    terms: Terms | None = None


class Connection:
    """One connection. Callbacks come from its network thread."""

    def __init__(
        self,
        settings: Settings,
        version: MQTTProtocolVersion,
        on_messages: Callable[[Connection, list[Message]], None],
        on_late_acks: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._version = version
        self._on_messages = on_messages
        self._on_late_acks = on_late_acks
        self._accepted: Future[Accepted] = Future()
        self._subscribed: Future[list[ReasonCode]] = Future()
        self._over = False
        self.end_reason = _LOST
        self._client = self._make_client()
        self._network = NetworkThread(self._client, self._ended)

    def open(self) -> Accepted:
        """Connect and wait for the broker's answer.

        Raises:
            BrokerError: no connection, no answer, or a refusal.
        """
        host, port, *_ = split_mqtt_url(self._settings.mqtt_url.get_secret_value())
        try:
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
            raise BrokerError(
                f"cannot connect to the broker at {host}:{port}: {reason_of(error)}"
            ) from error
        self._network.start()
        return self._answer(self._accepted, "CONNECT")

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1 and wait for the broker's answer.

        Raises:
            BrokerError: no answer, or a refusal.
        """
        for name, code in zip(filters, self._ask_for(filters, qos=1), strict=False):
            if code.is_failure:
                raise SubscriptionRefusedError(
                    f"the broker refuses the subscription to {name}: {code}"
                )
            if code.value == 0:
                log.error("the broker grants QoS 0 for %s: messages can be lost", name)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End subscriptions that the session may have from before; no answer is awaited."""
        self._client.unsubscribe(list(filters))

    def watch(self, name: str) -> bool:
        """Subscribe at QoS 0; whether the broker allows it.

        Raises:
            BrokerError: no answer.
        """
        return not any(code.is_failure for code in self._ask_for([name], qos=0))

    def _ask_for(self, filters: Sequence[str], *, qos: int) -> list[ReasonCode]:
        wanted: Any = (
            [(name, _options(qos)) for name in filters]
            if self._version == MQTTProtocolVersion.MQTTv5
            else [(name, qos) for name in filters]
        )
        self._subscribed = Future()
        if self._over:
            raise NoAnswerError("the connection has ended")
        self._client.subscribe(wanted)
        return self._answer(self._subscribed, "SUBSCRIBE")

    def ack(self, message_id: int) -> bool:
        """Acknowledge a message of this connection; False: too late, the connection has ended."""
        if self._over:
            self._on_late_acks(1)
            return False
        self._network.ack(message_id)
        return True

    def pause(self) -> None:
        """Read no messages until `resume`; a long pause ends the connection."""
        self._network.pause()

    def resume(self) -> None:
        """Read messages again."""
        self._network.resume()

    def flush(self, name: str) -> None:
        """Wait until the broker has read every acknowledgement.

        Closing a socket with unread input resets it, and the broker then drops what it has not
        read either. It answers in order: a subscription made once more comes after the rest.
        """
        try:
            self.subscribe([name])
        except BrokerError as error:
            log.info("the broker may send some messages again: %s", error)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait for the end of the network thread; whether it has ended."""
        return self._network.wait_for_end(timeout_s)

    def disconnect(self) -> None:
        """Say goodbye; the broker keeps the session."""
        self._client.disconnect()

    def close(self) -> None:
        """End the connection and its thread, whatever the broker says."""
        self._over = True
        self._client.disconnect()
        self._network.close()

    def _make_client(self) -> LinkedClient:
        settings = self._settings
        is_5 = self._version == MQTTProtocolVersion.MQTTv5
        client = LinkedClient(
            CallbackAPIVersion.VERSION2,
            on_messages=lambda messages: self._on_messages(self, messages),
            client_id=settings.mqtt_client_id,
            clean_session=None if is_5 else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = HANDSHAKE_TIMEOUT_S
        broker = split_mqtt_url(settings.mqtt_url.get_secret_value())
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set_context(tls_context(settings))
        client.on_connect = self._connected
        client.on_subscribe = self._suback
        client.on_disconnect = self._disconnected
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
        self,
        _client: Client,
        _data: object,
        flags: ConnectFlags,
        code: ReasonCode,
        more: Properties | None,
    ) -> None:
        if code.is_failure:
            kind = VersionRefusedError if str(code) == _UNSUPPORTED_VERSION else BrokerError
            _settle(self._accepted, error=kind(f"the broker refuses the connection: {code}"))
            return
        is_5 = self._version == MQTTProtocolVersion.MQTTv5
        _settle(
            self._accepted,
            Accepted(flags.session_present, read_terms(more) if is_5 and more else None),
        )

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
        self._over = True
        broke = self._client.broke
        reason = "" if broke is None else f": {reason_of(broke)}"
        if self.end_reason == _LOST:
            self.end_reason += reason
        error = NoAnswerError(f"the connection ended before the broker answered{reason}")
        _settle(self._accepted, error=error)
        _settle(self._subscribed, error=error)


def _settle(future: Future[Any], value: object = None, *, error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _options(qos: int) -> Any:
    """Ask for retained messages once, when the subscription is new, and for their flag then only.

    The broker's own figures, at QoS 0, are retained: they are wanted at each connection.
    """
    handling = (
        SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        if qos
        else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
    )
    return SubscribeOptions(qos=qos, retainAsPublished=False, retainHandling=handling)
