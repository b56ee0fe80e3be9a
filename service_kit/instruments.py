"""Counters, gauges and histograms as the services make them: named alike, in one registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# How the values of several worker processes become one.
OfWorkers = Literal["all", "livemin", "livemax", "livesum"]


@dataclass(frozen=True)
class Instruments:
    """Makes the metrics of a service in a registry."""

    registry: CollectorRegistry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Make a number that only grows."""
        return Counter(f"eventindex_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str, workers: OfWorkers = "all") -> Gauge:
        """Make a number that goes up and down."""
        return Gauge(
            f"eventindex_{name}", text, labels, registry=self.registry, multiprocess_mode=workers
        )

    def histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...]
    ) -> Histogram:
        """Make a distribution over buckets, each named by its upper bound."""
        return Histogram(
            f"eventindex_{name}", text, labels, buckets=buckets, registry=self.registry
        )
