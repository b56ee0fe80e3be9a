"""The MQTT bridge beside a bare paho subscriber that only acknowledges, on one Mosquitto.

Two persistent sessions subscribe and go away, a raw socket fills their queues, and then each side
drains its own copy alone: no publisher shares the cores, so the subscriber is what is measured. The
broker keeps its queue in memory only: writing it to disk would slow both sides alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg2
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from eventindex.v1 import event_pb2

RECEIVE_MAXIMUM = 1000
TIMEOUT_S = 120.0
_FUID = "01234567-89ab-cdef-0123-{:012x}"
_JSON, _BATCH = "eventindex/v1/json/bench", "eventindex/v1/batch/bench"


@dataclass(frozen=True)
class Drained:
    """One queue, drained by each side in turn: messages/s to the last commit or acknowledgement."""

    ours: float
    bare: float
    events_per_message: int

    @property
    def ratio(self) -> float:
        """Our rate beside the bare subscriber's."""
        return self.ours / self.bare


@dataclass(frozen=True)
class Latency:
    """Seconds until the PUBACK, which follows the commit: 50 and 99 % of the messages."""

    from_arrival: tuple[float, float]
    from_publish: tuple[float, float]
    messages_per_s: float


@dataclass(frozen=True)
class BridgeResult:
    """Medians are the caller's to take."""

    json: list[Drained]
    batches: list[Drained]
    latency: Latency


def measure(
    database_url: str,
    *,
    repeats: int = 5,
    json_messages: int = 100_000,
    batch_messages: int = 2_000,
    latency_s: float = 10.0,
) -> BridgeResult:
    """Measure the bridge on an index that is migrated and otherwise idle.

    Raises:
        RuntimeError: an answer is wrong: fewer events are in the index than were acknowledged.
    """
    run = int(time.time() * 1000)
    rounds_json, rounds_batch = [], []
    with _broker() as broker:
        for _ in range(repeats):
            run += 1
            payloads = [json_event(run, number) for number in range(json_messages)]
            rounds_json.append(_drain_both(broker, database_url, run, _JSON, payloads, 1))
            run += 1
            payloads = [event_batch(run, number, 1_000) for number in range(batch_messages)]
            rounds_batch.append(_drain_both(broker, database_url, run, _BATCH, payloads, 1_000))
        latency = _latency(broker, database_url, run + 1, latency_s)
    return BridgeResult(rounds_json, rounds_batch, latency)


def json_event(run: int, number: int) -> bytes:
    """An event as detectors send it: one object, 155 bytes."""
    event = {
        "run_number": run,
        "event_number": number,
        "olt_result": number * 2_654_435_761 % 4096,
        "dsid_raw": 7,
        "fuid_raw": _FUID.format(number // 5_000 * 8 + number % 8),
    }
    return json.dumps(event).encode()


def event_batch(run: int, batch: int, size: int) -> bytes:
    """A batch of consecutive events in eight files."""
    numbers = np.arange(batch * size, (batch + 1) * size)
    files = [_FUID.format(batch // 40 * 8 + i) for i in range(8)]
    return event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=7) for fuid in files],
        run_numbers=[run],
        event_numbers=numbers,
        file_indexes=numbers % 8 + 1,
        olt_results=numbers * 2_654_435_761 % 4096,
    ).SerializeToString()


@dataclass
class _Broker:
    """A Mosquitto; its log tells when a client connects."""

    port: int
    connected: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def read_log(self, lines: Iterator[bytes]) -> None:
        """Note when each client connects, until the broker ends."""
        for line in lines:
            if b"New client connected" in line:
                self.connected[line.split(b" as ")[1].split(b" ")[0].decode()] = time.monotonic()


@contextlib.contextmanager
def _broker() -> Iterator[_Broker]:
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not on the PATH")
    with tempfile.TemporaryDirectory(prefix="eventindex-bench-") as directory:
        broker = _Broker(_free_port())
        config = Path(directory) / "mosquitto.conf"
        config.write_text(
            f"listener {broker.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            f"max_inflight_messages {RECEIVE_MAXIMUM}\nmax_queued_messages 10000000\n"
            "log_dest stderr\nlog_type notice\n"
        )
        config.chmod(0o644)
        Path(directory).chmod(0o755)
        process = subprocess.Popen([program, "-c", config], stderr=subprocess.PIPE)
        assert process.stderr is not None
        reader = threading.Thread(target=broker.read_log, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            _wait(lambda: _listens(broker.port), "Mosquitto")
            yield broker
        finally:
            process.terminate()
            process.wait(30)
            reader.join(5)
            process.stderr.close()


def _drain_both(
    broker: _Broker, database_url: str, run: int, topic: str, payloads: Sequence[bytes], events: int
) -> Drained:
    ours, bare = f"ours-{run}", f"bare-{run}"
    for name in (ours, bare):
        _subscribe_and_leave(broker.port, name, topic)
    publish(broker.port, topic, payloads)
    # Which side comes first changes from round to round.
    sides = {
        bare: lambda: _drain_bare(broker, bare, len(payloads)),
        ours: lambda: _drain_ours(broker, ours, database_url, run, len(payloads) * events),
    }
    order = (ours, bare) if run % 4 < 2 else (bare, ours)
    seconds = {name: sides[name]() for name in order}
    return Drained(len(payloads) / seconds[ours], len(payloads) / seconds[bare], events)


def _drain_ours(
    broker: _Broker, client_id: str, database_url: str, run: int, events: int
) -> float:
    """Seconds from the connection to the commit of the last event."""
    with _service(broker.url, database_url, client_id), _cursor(database_url) as cursor:
        last = _wait_for_events(cursor, run, events)
        return last - broker.connected[client_id]


def _wait_for_events(cursor: psycopg2.extensions.cursor, run: int, events: int) -> float:
    found = 0

    def there() -> bool:
        nonlocal found
        cursor.execute("SELECT n_events FROM run WHERE run_number = %s", (run,))
        row = cursor.fetchone()
        found = row[0] if row else 0
        return found >= events

    _wait(there, f"{events} events", every_s=0.02)
    if found != events:
        raise RuntimeError(f"wrong answer: {found} events in the index, {events} were sent")
    return time.monotonic()


def _drain_bare(broker: _Broker, client_id: str, messages: int) -> float:
    """Seconds from the connection to the last acknowledgement, in a process of its own."""
    code = "from benchmarks.bridge import bare; import sys; bare(*sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", code, str(broker.port), client_id, str(messages)],
        check=True,
        timeout=TIMEOUT_S,
    )
    return time.monotonic() - broker.connected[client_id]


def bare(port: str, client_id: str, messages: str) -> None:
    """Acknowledge so many messages at once as they come, nothing else."""
    left = int(messages)

    def acknowledge(client: Client, _data: object, message: object) -> None:
        nonlocal left
        client.ack(message.mid, 1)  # type: ignore[attr-defined]
        left -= 1
        if not left:
            client.disconnect()

    client = _client(client_id)
    client.on_message = acknowledge
    _connect(client, int(port))
    client.loop_forever()


def _client(client_id: str) -> Client:
    return Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=True,
    )


def _connect(client: Client, port: int) -> None:
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)


def _subscribe_and_leave(port: int, client_id: str, topic: str) -> None:
    client = _client(client_id)
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: client.disconnect()
    _connect(client, port)
    client.loop_forever()


def publish(port: int, topic: str, payloads: Sequence[bytes]) -> None:
    """Publish at QoS 1 from a raw socket and wait until the broker has acknowledged everything."""
    name = f"fill-{uuid.uuid4().hex}".encode()
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(_packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c" + _text(name)))
        _receive(link, 4)
        for first in range(0, len(payloads), 10_000):
            some = payloads[first : first + 10_000]
            packets = [
                _packet(0x32, _text(topic.encode()) + struct.pack(">H", mid) + payload)
                for mid, payload in enumerate(some, 1)
            ]
            sender = threading.Thread(target=link.sendall, args=(b"".join(packets),))
            sender.start()
            _receive(link, 4 * len(some))
            sender.join()
        link.sendall(b"\xe0\x00")


def _packet(kind: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, digit = left >> 7, left & 127
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _receive(link: socket.socket, size: int) -> None:
    while size:
        data = link.recv(min(size, 65_536))
        if not data:
            raise RuntimeError("the broker ended the connection")
        size -= len(data)


@contextlib.contextmanager
def _service(mqtt_url: str, database_url: str, client_id: str) -> Iterator[None]:
    """ingest_service as a process, ready."""
    metrics = f"127.0.0.1:{_free_port()}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
    environment |= {
        "EVENTINDEX_DATABASE_URL": database_url,
        "EVENTINDEX_MQTT_URL": mqtt_url,
        "EVENTINDEX_MQTT_CLIENT_ID": client_id,
        "EVENTINDEX_MQTT_RECEIVE_MAXIMUM": str(RECEIVE_MAXIMUM),
        "EVENTINDEX_INGEST_ADDRESS": f"127.0.0.1:{_free_port()}",
        "EVENTINDEX_INGEST_METRICS_ADDRESS": metrics,
        "EVENTINDEX_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen([sys.executable, "-m", "ingest_service"], env=environment)
    try:
        _wait(lambda: _is_ready(metrics), "ingest_service")
        yield
    finally:
        process.terminate()
        process.wait(60)


def _latency(broker: _Broker, database_url: str, run: int, seconds: float) -> Latency:
    """Watch a steady 1,000 messages/s from a proxy between the broker and the bridge."""
    rate, client_id = 1_000, f"latency-{run}"
    proxy = _Proxy(broker.port)
    with (
        contextlib.closing(proxy),
        _service(proxy.url, database_url, client_id),
        _cursor(database_url) as cursor,
    ):
        publisher = Client(CallbackAPIVersion.VERSION2, client_id=f"pub-{run}")
        publisher.max_inflight_messages_set(10_000)
        publisher.connect("127.0.0.1", broker.port)
        publisher.loop_start()
        sent = []
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            wait_s = began + number / rate - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            sent.append(time.monotonic())
            publisher.publish(_JSON, json_event(run, number), qos=1)
        spent = time.monotonic() - began
        _wait_for_events(cursor, run, len(sent))
        _wait(lambda: len(proxy.acknowledged) == len(sent), "acknowledgements")
        publisher.disconnect()
        publisher.loop_stop()
    arrived, acknowledged = np.array(proxy.arrived), np.array(proxy.acknowledged)
    # One publisher, one topic: arrivals and acknowledgements are in the order of sending.
    return Latency(
        _percentiles(acknowledged - arrived),
        _percentiles(acknowledged - np.array(sent)),
        len(sent) / spent,
    )


def _percentiles(seconds: np.ndarray) -> tuple[float, float]:
    return float(np.percentile(seconds, 50)), float(np.percentile(seconds, 99))


class _Proxy:
    """Between the broker and the bridge: when each PUBLISH came and each PUBACK went."""

    def __init__(self, upstream: int) -> None:
        self.arrived: list[float] = []
        self.acknowledged: list[float] = []
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client = self._listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", self._upstream))
            for pair in ((server, client, 0x30, self.arrived), (client, server, 0x40, self.acknowledged)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, kind: int, times: list[float]) -> None:
    """Pass bytes on, and note when each packet of a kind passes."""
    held = b""
    with contextlib.suppress(OSError), source, sink:
        while data := source.recv(65_536):
            sink.sendall(data)
            now = time.monotonic()
            held += data
            while (end := _packet_end(held)) and end <= len(held):
                if held[0] & 0xF0 == kind:
                    times.append(now)
                held = held[end:]


def _packet_end(data: bytes) -> int:
    length = 0
    for at, digit in enumerate(data[1:5]):
        length |= (digit & 127) << 7 * at
        if digit < 128:
            return 2 + at + length
    return 0


@contextlib.contextmanager
def _cursor(database_url: str) -> Iterator[psycopg2.extensions.cursor]:
    with contextlib.closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _is_ready(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/readyz") as page:
        return bool(page.status == 200)
    return False


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(check: Callable[[], bool], what: str, every_s: float = 0.05) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no {what} within {TIMEOUT_S:.0f} s")
        time.sleep(every_s)


def summary(result: BridgeResult) -> str:
    """The figures in a few lines."""
    lines = []
    for name, rounds in (("one JSON event", result.json), ("EventBatch of 1,000", result.batches)):
        ours = statistics.median(r.ours for r in rounds)
        bare_rate = statistics.median(r.bare for r in rounds)
        ratio = statistics.median(r.ratio for r in rounds)
        events = ours * rounds[0].events_per_message
        lines.append(
            f"{name}: {ours:,.0f} messages/s ({events:,.0f} events/s), bare subscriber "
            f"{bare_rate:,.0f}, ratio {ratio:.2f} ({', '.join(f'{r.ratio:.2f}' for r in rounds)})"
        )
    for name, (p50, p99) in (
        ("arrival", result.latency.from_arrival),
        ("publish", result.latency.from_publish),
    ):
        lines.append(
            f"{name} to PUBACK at {result.latency.messages_per_s:,.0f} messages/s: "
            f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
        )
    return "\n".join(lines)
