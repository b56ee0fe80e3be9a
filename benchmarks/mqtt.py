"""What measures the bridge from outside: broker, publisher, bare subscriber, and a proxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TIMEOUT_S = 120.0
RECEIVE_MAXIMUM = 1000


@dataclass
class Broker:
    """A Mosquitto; its log tells when a client connects."""

    port: int
    connected: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """As EVENTINDEX_MQTT_URL."""
        return f"mqtt://127.0.0.1:{self.port}"

    def read_log(self, lines: Iterator[bytes]) -> None:
        """Note when each client connects, until the broker ends."""
        for line in lines:
            if b"New client connected" in line:
                self.connected[line.split(b" as ")[1].split(b" ")[0].decode()] = time.monotonic()


@contextlib.contextmanager
def running_broker() -> Iterator[Broker]:
    """Run Mosquitto as a process, with queues in memory."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not on the PATH")
    with tempfile.TemporaryDirectory(prefix="eventindex-bench-") as directory:
        broker = Broker(free_port())
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
            wait_until(lambda: _listens(broker.port), "Mosquitto")
            yield broker
        finally:
            process.terminate()
            process.wait(30)
            reader.join(5)
            process.stderr.close()


def bare(port: str, client_id: str, messages: str) -> None:
    """Acknowledge so many messages at once as they come, nothing else."""
    left = int(messages)

    def acknowledge(client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal left
        client.ack(message.mid, 1)
        left -= 1
        if not left:
            client.disconnect()

    client = client_of(client_id)
    client.on_message = acknowledge
    connect(client, int(port))
    client.loop_forever()


def client_of(client_id: str) -> Client:
    """Return a paho client with a name of its own, MQTT 5, acknowledging by hand."""
    return Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=True,
    )


def connect(client: Client, port: int) -> None:
    """Connect to a session that stays."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)


def subscribe_and_leave(port: int, client_id: str, topic: str) -> None:
    """Make a session for which the broker keeps what is published."""
    client = client_of(client_id)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1) and None
    client.on_subscribe = lambda client, *_: client.disconnect() and None
    connect(client, port)
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


_KIND_AND_QOS, _PUBLISH_QOS1, _PUBACK = 0xF6, 0x32, 0x40


class Proxy:
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
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._upstream))
                for pair in (
                    (server, client, _PUBLISH_QOS1, self.arrived),
                    (client, server, _PUBACK, self.acknowledged),
                ):
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
                if held[0] & _KIND_AND_QOS == kind:
                    times.append(now)
                held = held[end:]


def _packet_end(data: bytes) -> int:
    length = 0
    for at, digit in enumerate(data[1:5]):
        length |= (digit & 127) << 7 * at
        if digit < 128:
            return 2 + at + length
    return 0


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], bool], what: str, every_s: float = 0.05) -> None:
    """Poll until `check` returns true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no {what} within {TIMEOUT_S:.0f} s")
        time.sleep(every_s)
