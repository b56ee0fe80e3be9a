"""The queue before the writer, and the writer's time, for Prometheus: read when it asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ingest_service.model import Door
from ingest_service.pipeline.busy import BusyClock
from ingest_service.pipeline.intake import Intake


class QueueMetrics:
    """The metrics of one queue and its writer."""

    def __init__(
        self, intake: Intake, busy: BusyClock, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._intake = intake
        self._busy = busy
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as prometheus_client asks for them."""
        messages = _gauge("queue_messages", "Messages and batches that wait or are stored.", "door")
        size = _gauge("queue_bytes", "Their bytes.", "door")
        last = _gauge(
            "last_message_timestamp_seconds", "When the last message came; 0 before it.", "door"
        )
        for door in Door:
            load = self._intake.load(door)
            messages.add_metric([door], load.messages)
            size.add_metric([door], load.size_bytes)
            last.add_metric([door], load.last_message)
        yield from (messages, size, last)
        for name, text, value in (
            ("queue_messages_max", "As many may wait.", self._intake.messages_max),
            ("queue_bytes_max", "So many bytes may wait.", self._intake.bytes_max),
            ("queue_oldest_seconds", "Age of the oldest; 0: none.", self._intake.oldest_s()),
        ):
            family = _gauge(name, text)
            family.add_metric([], value)
            yield family
        busy = CounterMetricFamily(
            "eventindex_ingest_busy_seconds", "Seconds in which the writer decoded or stored."
        )
        busy.add_metric([], self._busy.seconds())
        yield busy


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"eventindex_ingest_{name}", text, labels=labels)
