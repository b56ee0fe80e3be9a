"""Sends messages to a broker at QoS 1 and counts what the broker acknowledged.

Never more than a bounded number without acknowledgement, and never from two threads: paho may
deadlock there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from eventindex.errors import EventIndexError
from eventindex.hosts import split_mqtt_url

_QUEUED_MAX = 1000
_CONNECT_SECONDS = 10.0
# amqtt says nothing to a client that speaks MQTT 5.
_NEWEST_SECONDS = 3.0
_NO_SUBSCRIBERS = 16
_UNSUPPORTED_VERSION = 132


class BrokerError(EventIndexError):
    """The broker cannot be reached, refuses, or does not acknowledge."""


class _VersionRefusedError(BrokerError):
    """The broker may speak an older version of MQTT."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to get in.

    Attributes:
        url: mqtt://[user:password@]host[:port], or mqtts:// for TLS.
        ca, cert, key: PEM files.
        alpn: protocol name, for AWS IoT on port 443.
    """

    url: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    alpn: str = ""


class Publisher:
    """A connection that publishes from one thread. Use it as a context manager."""

    def __init__(self, broker: Broker, *, silence_seconds_max: float) -> None:
        self._silence_seconds_max = silence_seconds_max
        self._changed = threading.Condition()
        self._connected = threading.Event()
        self._refusal: BrokerError | None = None
        self._published = 0
        self.acknowledged = 0
        self.unheard = 0
        try:
            self._client = self._connect(broker, MQTTProtocolVersion.MQTTv5)
        except _VersionRefusedError:
            self._connected.clear()
            self._refusal = None
            self._client = self._connect(broker, MQTTProtocolVersion.MQTTv311)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message; waits while too many are not acknowledged.

        Raises:
            BrokerError: the broker refused a message or is silent for too long.
        """
        self._wait_until_open(_QUEUED_MAX - 1)
        try:
            info = self._client.publish(topic, payload, qos=1)
        except ValueError as error:
            raise BrokerError(f"topic {topic!r}: {error}") from error
        if info.rc not in {paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_NO_CONN}:
            raise BrokerError(paho.error_string(info.rc))
        self._published += 1

    def wait(self) -> None:
        """Wait until every message is acknowledged."""
        self._wait_until_open(0)

    def _wait_until_open(self, open_max: int) -> None:
        """Wait until at most so many messages are not acknowledged."""
        with self._changed:
            while self._refusal is None and self._published - self.acknowledged > open_max:
                before = self.acknowledged
                self._changed.wait(self._silence_seconds_max)
                if self.acknowledged == before and self._refusal is None:
                    raise BrokerError(
                        f"no acknowledgement for {self._silence_seconds_max:g} s; "
                        f"{self.acknowledged:,} of {self._published:,} messages have theirs"
                    )
        if self._refusal is not None:
            raise self._refusal

    def _connect(self, broker: Broker, version: MQTTProtocolVersion) -> paho.Client:
        try:
            address = split_mqtt_url(broker.url)
        except ValueError as error:
            raise BrokerError(f"the URL of the broker is {error}") from error
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            alpn = [broker.alpn] if broker.alpn else None
            client.tls_set(
                _text(broker.ca), _text(broker.cert), _text(broker.key), alpn_protocols=alpn
            )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        where = f"{address.host}:{address.port}"
        try:
            client.connect(address.host, address.port, keepalive=30)
        except OSError as error:
            raise BrokerError(f"broker {where}: {error.strerror or error}") from error
        client.loop_start()
        newest = version == MQTTProtocolVersion.MQTTv5
        connected = self._connected.wait(_NEWEST_SECONDS if newest else _CONNECT_SECONDS)
        refusal = self._refusal
        if connected and refusal is None:
            return client
        client.disconnect()
        client.loop_stop()
        silence = _VersionRefusedError if newest else BrokerError
        raise refusal or silence(f"broker {where} does not answer")

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _props: Any
    ) -> None:
        if code.is_failure:
            old = code.value == _UNSUPPORTED_VERSION
            kind = _VersionRefusedError if old else BrokerError
            self._refuse(kind(f"the broker refuses the connection: {code}"))
        self._connected.set()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _props: Any
    ) -> None:
        # Later on paho connects again by itself and repeats what was not acknowledged.
        if not self._connected.is_set():
            self._refuse(_VersionRefusedError(f"the broker closes the connection: {code}"))
            self._connected.set()

    def _on_publish(
        self,
        _client: paho.Client,
        _data: Any,
        _mid: int,
        code: ReasonCode,
        _props: Properties | None,
    ) -> None:
        if code.is_failure:
            self._refuse(BrokerError(f"the broker refuses a message: {code}"))
        with self._changed:
            self.acknowledged += 1
            self.unheard += code.value == _NO_SUBSCRIBERS
            self._changed.notify_all()

    def _refuse(self, error: BrokerError) -> None:
        with self._changed:
            self._refusal = self._refusal or error
            self._changed.notify_all()


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
