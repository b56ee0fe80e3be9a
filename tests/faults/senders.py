"""Load that writes a ledger: over MQTT until the broker acknowledges, over gRPC until a commit.

Each sends from a thread of its own until it is told to stop, and goes on after every fault: what
was not acknowledged is sent again, as a detector's buffer would.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import count, islice

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

import eventindex
from tests.faults.ledger import Key, Ledger, Value

IN_FLIGHT_MAX = 500
PATIENCE_S = 240.0  # longer than any fault that is waited out
FILES = 8
RUNS = 5

Sent = tuple[Key, Value]


def keys(first: int = 0, *, runs: int = RUNS) -> Iterator[Key]:
    """Events of a few runs in turn, each once; threads may share it."""
    # map over count is one step of the interpreter: no two threads get the same.
    return map(lambda n: (n % runs, n // runs), count(first))  # noqa: C417  # as above


def value_of(key: Key, seed: int = 0) -> Value:
    """What an event says: the same for the same event and seed."""
    mixed = hash((*key, seed))
    return Value(mixed & 0xFFF, 1 + seed, _fuid(seed, key[0], mixed % FILES))


@cache
def _fuid(seed: int, run: int, file: int) -> str:
    return str(uuid.UUID(int=(seed << 64) | (run << 8) | file))


def to_json(event: Sent) -> bytes:
    """An event as the JSON topic takes it."""
    (run, number), value = event
    return json.dumps({"run_number": run, "event_number": number, **value._asdict()}).encode()


def to_columns(events: list[Sent]) -> eventindex.EventColumns:
    """Events as the client takes them."""
    files = {(value.fuid_raw, value.dsid_raw): None for _, value in events}
    number = {file: index for index, file in enumerate(files, 1)}
    return eventindex.EventColumns(
        [eventindex.RawFile(*file) for file in files],
        [run for (run, _), _ in events],
        [event for (_, event), _ in events],
        [number[value.fuid_raw, value.dsid_raw] for _, value in events],
        [value.olt_result for _, value in events],
    )


class Worker:
    """A thread that works until it is stopped."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.resting = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing new, and wait until everything that was begun is done.

        Raises:
            BaseException: what ended the thread.
        """
        self.stopping.set()
        self.finish()

    def finish(self) -> None:
        """Wait until a source that ends was sent and acknowledged.

        Raises:
            BaseException: what ended the thread.
        """
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"{type(self).__name__} does not come to an end"
        self.check()

    def rest(self) -> None:
        """Wait while it is told to send nothing new."""
        while self.resting.is_set() and not self.stopping.wait(0.05):
            pass

    def check(self) -> None:
        """Raise what ended the thread."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # raised again by stop()
            self._error = error

    def _work(self) -> None:
        raise NotImplementedError


class _Pace:
    """Holds a sender to a number of events a second."""

    def __init__(self, rate: float, stopping: threading.Event) -> None:
        self._rate, self._stopping = rate, stopping
        self._began, self._done = time.monotonic(), 0

    def wait(self, events: int) -> None:
        """So many more were sent."""
        self._done += events
        ahead_s = self._done / self._rate - (time.monotonic() - self._began)
        if ahead_s > 0.01:
            self._stopping.wait(ahead_s)
        if ahead_s < -1:  # what could not be sent is not caught up with
            self._began, self._done = time.monotonic(), 0


class MqttSender(Worker):
    """Publishes single events as JSON at QoS 1, some of them malformed."""

    def __init__(
        self,
        port: int,
        topic: str,
        ledger: Ledger,
        source: Iterator[Key],
        *,
        rate: float,
        seed: int = 0,
        bad_share: float = 0.0,
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._keys = source
        self._topic = topic
        self._seed = seed
        self._rate = rate
        self._bad_share = bad_share
        # So many of the next ones are malformed.
        self.bad_wanted = 0
        self._random = random.Random(seed)
        self._open: dict[int, Sent | bytes] = {}
        self._early: set[int] = set()
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"sender-{uuid.uuid4().hex}", clean_session=False
        )
        self._client.max_inflight_messages_set(IN_FLIGHT_MAX)
        self._client.on_publish = self._published
        self._client.reconnect_delay_set(0.1, 1)
        self._client.connect("127.0.0.1", port, keepalive=5)
        self._client.loop_start()

    def _work(self) -> None:
        pace = _Pace(self._rate, self.stopping)
        try:
            for key in self._keys:
                self.rest()
                if self.stopping.is_set():
                    break
                self._publish((key, value_of(key, self._seed)))
                pace.wait(1)
            self._wait_for_room(1)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _publish(self, event: Sent) -> None:
        self._wait_for_room(IN_FLIGHT_MAX)
        sent: Sent | bytes = event
        payload = to_json(event)
        if self.bad_wanted or self._random.random() < self._bad_share:
            self.bad_wanted = max(0, self.bad_wanted - 1)
            sent = payload = payload[: self._random.randrange(1, len(payload))]
            self._ledger.send_bad()
        else:
            self._ledger.send([event])
        mid = self._client.publish(self._topic, payload, qos=1).mid
        with self._changed:
            self._open[mid] = sent
            if mid in self._early:
                self._early.discard(mid)
                self._acknowledged(mid)

    def _wait_for_room(self, limit: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._open) < limit, PATIENCE_S), "no PUBACK"

    def _published(self, _client, _data, mid, _code, _properties) -> None:
        with self._changed:
            if mid in self._open:
                self._acknowledged(mid)
                self._changed.notify_all()
            else:
                self._early.add(mid)

    def _acknowledged(self, mid: int) -> None:
        sent = self._open.pop(mid)
        if isinstance(sent, bytes):
            self._ledger.acknowledge_bad(sent)
        else:
            self._ledger.acknowledge([sent], committed=False)


class GrpcSender(Worker):
    """Sends batches through the Python client, which resumes a stream that was cut."""

    def __init__(
        self,
        address: str,
        ledger: Ledger,
        source: Iterator[Key],
        *,
        rate: float,
        seed: int = 0,
        batch: int = 100,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__()
        self._client = eventindex.connect(
            ingest_address=address, timeout=patience_s, retry_seconds_max=5 * PATIENCE_S
        )
        self._ledger = ledger
        self._keys = source
        self._seed = seed
        self._batch = batch
        self._rate = rate
        self._open: deque[list[Sent]] = deque()

    def _work(self) -> None:
        with self._client:
            for ack in self._client.ingest(self._batches()):
                events = self._open.popleft()
                assert ack.rejected == 0, ack
                self._ledger.acknowledge(events, committed=True)

    def _batches(self) -> Iterator[eventindex.EventColumns]:
        pace = _Pace(self._rate, self.stopping)
        while not self.stopping.is_set():
            self.rest()
            events = [(key, value_of(key, self._seed)) for key in islice(self._keys, self._batch)]
            if not events:
                return
            self._ledger.send(events)
            self._open.append(events)
            yield to_columns(events)
            pace.wait(len(events))
