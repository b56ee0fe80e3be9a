"""What index_service tells Prometheus. The only module here that knows prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from event_store.cache import PageCache

_PAIRS = Counter("eventindex_lookup_pairs", "Pairs looked up.", ["outcome"])
_FOUND, _NOT_FOUND = _PAIRS.labels("found"), _PAIRS.labels("not_found")
_REQUESTS = Histogram(
    "eventindex_request_seconds",
    "Time from the request to the end of the answer; a stream is one request.",
    ["method", "code"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600),
)
_BUILD = Info("eventindex_build", "Which software runs.")
_DATABASE_UP = Gauge("eventindex_database_up", "1 when PostgreSQL answered the last question.")


class Metrics:
    """Observations of the service, as calls."""

    def looked_up(self, found: int, not_found: int) -> None:
        """A batch of pairs was answered."""
        _FOUND.inc(found)
        _NOT_FOUND.inc(not_found)

    def request(self, method: str, code: str, seconds: float) -> None:
        """A call ended."""
        _REQUESTS.labels(method, code).observe(seconds)

    def database(self, *, up: bool) -> None:
        """PostgreSQL answered, or did not."""
        _DATABASE_UP.set(up)


class CacheCollector(Collector):
    """Reads the page cache when Prometheus asks."""

    def __init__(self, cache: PageCache[bytes]) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        """The state of the cache now."""
        cache = self._cache
        for name, text, value in (
            ("bytes", "Memory that the held pages take.", cache.nbytes),
            ("bytes_max", "The bound of that memory.", cache.bytes_max),
            ("pages", "Pages held, absent ones included.", len(cache)),
        ):
            yield GaugeMetricFamily(f"eventindex_cache_{name}", text, value=value)
        for name, text, value in (
            ("hits", "Pairs answered without reading their page.", cache.counts.hits),
            ("misses", "Pairs whose page was read or checked.", cache.counts.misses),
            ("evictions", "Pages pushed out to make room.", cache.counts.evictions),
        ):
            yield CounterMetricFamily(f"eventindex_cache_{name}", text, value=value)


def register(cache: PageCache[bytes]) -> None:
    """Export the state of the cache and the version of the software."""
    _BUILD.info({"service": "index_service", "version": version("eventindex")})
    REGISTRY.register(CacheCollector(cache))
