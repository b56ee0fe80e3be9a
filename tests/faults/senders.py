"""Senders that write a ledger: over MQTT until the broker acknowledges, over gRPC until a commit.

Each sends from a thread of its own until it is told to stop, and goes on after every fault: what
was not acknowledged is sent again, as a detector's buffer would.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

import eventindex
from tests.faults.ledger import Key, Ledger, Value

_IN_FLIGHT_MAX = 500
_FILES = 8


def values(seed: int) -> Callable[[Key], Value]:
    """The value of each event from a source: the same for the same seed and event."""
    files = [str(uuid.UUID(int=(seed << 64) | number)) for number in range(_FILES)]

    def value(key: Key) -> Value:
        mixed = hash((key, seed))
        return Value(mixed & 0xFFF, 1 + seed, files[mixed % _FILES])

    return value


def message(key: Key, value: Value) -> bytes:
    """An event as the JSON topic takes it."""
    fields = {"run_number": key[0], "event_number": key[1], **value._asdict()}
    return json.dumps(fields).encode()


class Sender:
    """A thread that sends until it is stopped."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self, timeout: float = 120.0) -> None:
        """Send no more, and wait until everything that was sent is acknowledged."""
        self._stopping.set()
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{type(self).__name__} is not done in {timeout:.0f} s"
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._send()
        except BaseException as error:  # noqa: BLE001  # raised again by stop()
            self.error = error

    def _send(self) -> None:
        raise NotImplementedError


class MqttSender(Sender):
    """Publishes single events as JSON at QoS 1, some of them malformed."""

    def __init__(
        self,
        port: int,
        topic: str,
        ledger: Ledger,
        keys: Iterator[Key],
        *,
        seed: int = 0,
        rate: float = 2_000.0,
        bad_share: float = 0.0,
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._keys = keys
        self._topic = topic
        self._value = values(seed)
        self._rate = rate
        self._bad_share = bad_share
        self._random = random.Random(seed)
        self._open: dict[int, tuple[Key, Value] | bytes] = {}
        self._early: set[int] = set()
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"sender-{uuid.uuid4().hex}", clean_session=False
        )
        self._client.max_inflight_messages_set(_IN_FLIGHT_MAX)
        self._client.on_publish = self._published
        self._client.reconnect_delay_set(0.1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _send(self) -> None:
        began, number = time.monotonic(), 0
        try:
            while not self._stopping.is_set():
                self._publish(next(self._keys))
                number += 1
                ahead = number / self._rate - (time.monotonic() - began)
                if ahead > 0.01:
                    self._stopping.wait(ahead)
            self._wait_for_room(1)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _publish(self, key: Key) -> None:
        self._wait_for_room(_IN_FLIGHT_MAX)
        value = self._value(key)
        sent: tuple[Key, Value] | bytes = (key, value)
        payload = message(key, value)
        if self._random.random() < self._bad_share:
            sent = payload = payload[: self._random.randrange(1, len(payload))]
            self._ledger.bad_sent += 1
        else:
            self._ledger.send(key, value)
        mid = self._client.publish(self._topic, payload, qos=1).mid
        with self._changed:
            self._open[mid] = sent
            if mid in self._early:
                self._early.discard(mid)
                self._acknowledge(mid)

    def _wait_for_room(self, limit: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._open) < limit, 120), "no PUBACK"

    def _published(self, _client, _data, mid, _code, _properties) -> None:
        with self._changed:
            if mid in self._open:
                self._acknowledge(mid)
                self._changed.notify_all()
            else:
                self._early.add(mid)

    def _acknowledge(self, mid: int) -> None:
        sent = self._open.pop(mid)
        if isinstance(sent, bytes):
            self._ledger.acknowledge_bad(sent)
        else:
            self._ledger.acknowledge(*sent)


class GrpcSender(Sender):
    """Sends batches through the Python client, which resumes a stream that was cut."""

    def __init__(
        self,
        address: Callable[[], str],
        ledger: Ledger,
        keys: Iterator[Key],
        *,
        seed: int = 0,
        batch: int = 200,
    ) -> None:
        super().__init__()
        self._address = address
        self._ledger = ledger
        self._keys = keys
        self._value = values(seed)
        self._batch = batch

    def _send(self) -> None:
        while not self._stopping.is_set():
            with (
                contextlib.suppress(eventindex.UnavailableError),
                eventindex.connect(ingest_address=self._address()) as client,
            ):
                self._stream(client)

    def _stream(self, client: eventindex.Client) -> None:
        raise NotImplementedError("see Client.ingest")
