"""What the service tells of its gRPC calls: one histogram for each of its two services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Histogram

from eventindex.v1 import admin_pb2, ingest_pb2
from service_kit.instruments import Instruments

_SECONDS_BUCKETS = (
    *(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
    *(2.5, 5, 10, 30, 60, 600, 3600),
)


class CallMetrics:
    """Observations of calls in, metrics out. All methods may be called from any thread."""

    def __init__(self, instruments: Instruments) -> None:
        def seconds(name: str, service: str) -> Histogram:
            return instruments.histogram(
                name,
                f"Seconds of a call of {service}; a stream is one call.",
                "method",
                "code",
                buckets=_SECONDS_BUCKETS,
            )

        self._running = instruments.gauge(
            "requests_running", "Calls and streams that are open.", "method"
        )
        self._seconds: Mapping[str, Histogram] = {
            **_by_method(seconds("ingest_request_seconds", "IngestService"), _methods(ingest_pb2)),
            **_by_method(seconds("admin_seconds", "AdminService"), _methods(admin_pb2)),
        }
        for method, histogram in self._seconds.items():
            histogram.labels(method, "OK")
            self._running.labels(method)

    def running(self, method: str, change: int) -> None:
        """Note that a call began (1) or ended (-1)."""
        self._running.labels(method).inc(change)

    def request(self, method: str, code: str, seconds: float) -> None:
        """Note that a call ended."""
        self._seconds[method].labels(method, code).observe(seconds)


def _methods(module: object) -> Iterable[str]:
    (service,) = module.DESCRIPTOR.services_by_name.values()  # type: ignore[attr-defined]
    return list(service.methods_by_name)


def _by_method(histogram: Histogram, methods: Iterable[str]) -> dict[str, Histogram]:
    return dict.fromkeys(methods, histogram)
