"""The MQTT bridge beside a bare paho subscriber that only acknowledges, on one Mosquitto.

Two persistent sessions subscribe and go away, a raw socket fills their queues, and then each side
drains its own copy alone: no publisher shares the cores, so the subscriber is what is measured. The
broker keeps its queue in memory only: writing it to disk would slow both sides alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg2
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.mqtt import (
    RECEIVE_MAXIMUM,
    TIMEOUT_S,
    Broker,
    Proxy,
    free_port,
    publish,
    running_broker,
    subscribe_and_leave,
    wait_until,
)
from benchmarks.processes import OPENER
from eventindex.v1 import event_pb2

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
    with running_broker() as broker:
        for _ in range(repeats):
            run += 1
            payloads = [json_event(run, number) for number in range(json_messages)]
            rounds_json.append(
                _drain_both(broker, database_url, _JSON, payloads, run=run, events=1)
            )
            run += 1
            payloads = [event_batch(run, number, 1_000) for number in range(batch_messages)]
            rounds_batch.append(
                _drain_both(broker, database_url, _BATCH, payloads, run=run, events=1_000)
            )
        latency = _latency(broker, database_url, run + 1, latency_s)
    return BridgeResult(rounds_json, rounds_batch, latency)


def json_event(run: int, number: int) -> bytes:
    """Return an event as detectors send it: one object, 155 bytes."""
    event = {
        "run_number": run,
        "event_number": number,
        "olt_result": number * 2_654_435_761 % 4096,
        "dsid_raw": 7,
        "fuid_raw": _FUID.format(number // 5_000 * 8 + number % 8),
    }
    return json.dumps(event).encode()


def event_batch(run: int, batch: int, size: int) -> bytes:
    """Return a batch of consecutive events in eight files."""
    numbers = np.arange(batch * size, (batch + 1) * size)
    files = [_FUID.format(batch // 40 * 8 + i) for i in range(8)]
    return event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=7) for fuid in files],
        run_numbers=[run],
        event_numbers=numbers,
        file_indexes=numbers % 8 + 1,
        olt_results=numbers * 2_654_435_761 % 4096,
    ).SerializeToString()


def _drain_both(
    broker: Broker,
    database_url: str,
    topic: str,
    payloads: Sequence[bytes],
    *,
    run: int,
    events: int,
) -> Drained:
    ours, bare = f"ours-{run}", f"bare-{run}"
    for name in (ours, bare):
        subscribe_and_leave(broker.port, name, topic)
    publish(broker.port, topic, payloads)
    # Which side comes first changes from round to round.
    sides = {
        bare: lambda: _drain_bare(broker, bare, len(payloads)),
        ours: lambda: _drain_ours(broker, ours, database_url, run, len(payloads) * events),
    }
    order = (ours, bare) if run % 4 < 2 else (bare, ours)
    seconds = {name: sides[name]() for name in order}
    return Drained(len(payloads) / seconds[ours], len(payloads) / seconds[bare], events)


def _drain_ours(broker: Broker, client_id: str, database_url: str, run: int, events: int) -> float:
    """Return seconds from the connection to the commit of the last event."""
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

    wait_until(there, f"{events} events", every_s=0.02)
    if found != events:
        raise RuntimeError(f"wrong answer: {found} events in the index, {events} were sent")
    return time.monotonic()


def _drain_bare(broker: Broker, client_id: str, messages: int) -> float:
    """Return seconds from the connection to the last acknowledgement, in a process of its own."""
    code = "from benchmarks.mqtt import bare; import sys; bare(*sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", code, str(broker.port), client_id, str(messages)],
        check=True,
        timeout=TIMEOUT_S,
    )
    return time.monotonic() - broker.connected[client_id]


@contextlib.contextmanager
def _service(mqtt_url: str, database_url: str, client_id: str) -> Iterator[None]:
    """Run ingest_service as a process, ready."""
    metrics = f"127.0.0.1:{free_port()}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENTINDEX_")}
    environment |= {
        "EVENTINDEX_DATABASE_URL": database_url,
        "EVENTINDEX_MQTT_URL": mqtt_url,
        "EVENTINDEX_MQTT_CLIENT_ID": client_id,
        "EVENTINDEX_MQTT_RECEIVE_MAXIMUM": str(RECEIVE_MAXIMUM),
        "EVENTINDEX_INGEST_ADDRESS": f"127.0.0.1:{free_port()}",
        "EVENTINDEX_INGEST_METRICS_ADDRESS": metrics,
        "EVENTINDEX_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen([sys.executable, "-m", "ingest_service"], env=environment)
    try:
        wait_until(lambda: _is_ready(metrics), "ingest_service")
        yield
    finally:
        process.terminate()
        process.wait(60)


def _latency(broker: Broker, database_url: str, run: int, seconds: float) -> Latency:
    """Watch a steady 1,000 messages/s from a proxy between the broker and the bridge."""
    rate, client_id = 1_000, f"latency-{run}"
    proxy = Proxy(broker.port)
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
        wait_until(lambda: len(proxy.acknowledged) == len(sent), "acknowledgements")
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


@contextlib.contextmanager
def _cursor(database_url: str) -> Iterator[psycopg2.extensions.cursor]:
    with contextlib.closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def _is_ready(address: str) -> bool:
    with contextlib.suppress(OSError), OPENER.open(f"http://{address}/readyz") as page:
        return bool(page.status == 200)
    return False


def summary(result: BridgeResult) -> str:
    """Return the figures in a few lines."""
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
