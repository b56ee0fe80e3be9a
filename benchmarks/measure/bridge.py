"""The MQTT bridge beside a subscriber, and how long an acknowledgement takes."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import bridge
from benchmarks.context import Bench
from benchmarks.results import OURS, Figure

_BARE = "bare subscriber"
_DATA = "Mosquitto, QoS 1"
_MESSAGES_A_SAMPLE_S = 200_000
_BATCHES_A_SAMPLE_S = 10_000
_LATENCY_S_FACTOR = 50


def measure(bench: Bench) -> Iterator[Figure]:
    """Drain queues of single events and of batches in turn; then a steady 1,000 messages/s."""
    sample_s = bench.sizes.sample_s
    result = bridge.measure(
        bench.whole.stack.database,
        repeats=bench.sizes.repeats,
        json_messages=int(_MESSAGES_A_SAMPLE_S * sample_s),
        batch_messages=int(_BATCHES_A_SAMPLE_S * sample_s),
        latency_s=_LATENCY_S_FACTOR * sample_s,
    )
    for case, rounds in (
        ("one JSON event a message", result.json),
        ("EventBatch of 1,000 events", result.batches),
    ):
        for name, rates in (
            (OURS, [one.ours * one.events_per_message for one in rounds]),
            (_BARE, [one.bare * one.events_per_message for one in rounds]),
        ):
            yield Figure("bridge", case, name, "events/s", rates, _DATA)
    for case, seconds in (
        ("arrival to acknowledgement", result.latency.from_arrival),
        ("publish to acknowledgement", result.latency.from_publish),
    ):
        for percent, wait in zip((50, 99), seconds, strict=True):
            name = f"{case}, 1,000 messages/s, p{percent}"
            yield Figure("bridge", name, OURS, "ms", [wait * 1000], _DATA, less_is_better=True)
