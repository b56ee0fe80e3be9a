"""What Prometheus sees of rest_gateway. The only module here that knows it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Info

from service_kit.instruments import Instruments

_SECONDS_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600)


class Metrics:
    """Observations in, metrics out. All methods may be called from any thread."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        instruments = Instruments(registry)
        gauge = instruments.gauge
        self._requests = instruments.histogram(
            "http_request_seconds",
            "Time from the request to the end of the answer, of an event stream to its begin.",
            "method",
            "route",
            "status",
            buckets=_SECONDS_BUCKETS,
        )
        self._running = {
            False: gauge("http_requests_running", "Requests that are being answered."),
            True: gauge("http_followers", "Event streams that are open."),
        }
        self._job_pairs = instruments.counter(
            "http_job_pairs", "Pairs of jobs looked up.", "outcome"
        )
        for outcome in ("found", "not_found"):
            self._job_pairs.labels(outcome)
        self._up = {
            "index": gauge("index_up", "1 when the index answered the last question."),
            "database": gauge("database_up", "1 when PostgreSQL answered the last question."),
        }
        build = Info("eventindex_build", "Which software runs.", registry=registry)
        build.info({"service": "rest_gateway", "version": version("eventindex")})

    def show_zeros(self, routes: Iterable[tuple[str, str]]) -> None:
        """Show zeros of methods and routes: what starts at its first event hides it from rate()."""
        for method, route in (*routes, ("none", "none")):
            self._requests.labels(method, route, "200")

    def running(self, change: int, *, follows: bool) -> None:
        """Note that a request or event stream began (1) or ended (-1)."""
        self._running[follows].inc(change)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request of a route ended."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def job_pairs(self, found: int, not_found: int) -> None:
        """Note that a part of a job was answered."""
        self._job_pairs.labels("found").inc(found)
        self._job_pairs.labels("not_found").inc(not_found)

    def backend(self, name: str, up: bool) -> None:
        """Note whether the index or the database answered."""
        self._up[name].set(up)
