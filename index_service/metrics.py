"""What index_service tells Prometheus. The only module here that knows prometheus_client."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry

from event_store.lookup.cache import CacheCounts, PageCache
from service_kit.instruments import Instruments

_BATCH_SECONDS_BUCKETS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1, 2, 5, 10),
)
_PAIRS_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000)
_BATCH_METHODS = ("Lookup", "LookupStream")
_SECONDS_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600)


class Metrics:
    """Observations in, metrics out. All methods may be called from any thread."""

    def __init__(
        self,
        cache: PageCache[bytes],
        registry: CollectorRegistry = REGISTRY,
        *,
        requests_max: int = 0,
        methods: Iterable[str] = (),
    ) -> None:
        """`requests_max`: how many calls may be open; `methods`: those that there are."""
        instruments = Instruments(registry)
        counter, gauge = instruments.counter, instruments.gauge
        self._cache = cache
        self._counted = CacheCounts()
        self._lock = threading.Lock()
        pairs = counter("lookup_pairs", "Pairs looked up.", "outcome")
        self._found, self._not_found = pairs.labels("found"), pairs.labels("not_found")
        self._requests = instruments.histogram(
            "request_seconds",
            "Time from the request to the end of the answer; a stream is one request.",
            "method",
            "code",
            buckets=_SECONDS_BUCKETS,
        )
        self._corrupt = counter(
            "corrupt_page_answers", "Calls that ended because a stored page contradicts itself."
        )
        self._running = gauge(
            "requests_running", "Calls and streams that are open.", "method", workers="livesum"
        )
        self._batch_seconds = instruments.histogram(
            "lookup_batch_seconds",
            "Time from a batch of pairs to its answer, by itself or within a stream.",
            "method",
            buckets=_BATCH_SECONDS_BUCKETS,
        )
        self._batch_pairs = instruments.histogram(
            "lookup_batch_pairs", "Pairs of such a batch.", "method", buckets=_PAIRS_BUCKETS
        )
        self._database_up = gauge(
            "database_up", "1 when PostgreSQL answered the last question.", workers="livemin"
        )
        self._replica_lag = gauge(
            "database_replica_lag_seconds",
            "How far the replica that is asked is behind its primary; 0 of a primary.",
            workers="livemax",
        )
        self._cache_bytes = gauge(
            "cache_bytes", "Memory that the held pages take.", workers="livesum"
        )
        self._cache_pages = gauge(
            "cache_pages", "Pages held, absent ones included.", workers="livesum"
        )
        self._hits = counter("cache_hits", "Pairs answered without reading their page.")
        self._misses = counter("cache_misses", "Pairs whose page was read or checked.")
        self._evictions = counter("cache_evictions", "Pages pushed out to make room.")
        bytes_max = gauge("cache_bytes_max", "The bound of that memory.", workers="livesum")
        bytes_max.set(cache.bytes_max)
        at_once = gauge(
            "requests_running_max", "As many calls and streams may be open.", workers="livesum"
        )
        at_once.set(requests_max)
        info = gauge("build_info", "Which software runs.", "service", "version", workers="livemax")
        info.labels("index_service", version("eventindex")).set(1)
        self._show_zeros(methods)

    def _show_zeros(self, methods: Iterable[str]) -> None:
        """Show zeros: what starts at its first event hides that event from rate()."""
        for method in methods:
            self._requests.labels(method, "OK")
            self._running.labels(method)
        # Found by name once: that takes longer than to note a value.
        self._batches = {
            method: (self._batch_seconds.labels(method), self._batch_pairs.labels(method))
            for method in _BATCH_METHODS
        }

    def looked_up(self, found: int, not_found: int) -> None:
        """Note that a batch of pairs was answered."""
        self._found.inc(found)
        self._not_found.inc(not_found)
        self._cache_used()

    def _cache_used(self) -> None:
        """Read the cache's figures: a lookup may have changed them."""
        with self._lock:
            now, before = replace(self._cache.counts), self._counted
            self._counted = now
        self._hits.inc(now.hits - before.hits)
        if now.misses != before.misses or now.evictions != before.evictions:
            self._misses.inc(now.misses - before.misses)
            self._evictions.inc(now.evictions - before.evictions)
            self._cache_bytes.set(self._cache.nbytes)
            self._cache_pages.set(len(self._cache))

    def batch(self, method: str, pairs: int, seconds: float) -> None:
        """Note that a batch of pairs was answered."""
        of_seconds, of_pairs = self._batches[method]
        of_seconds.observe(seconds)
        of_pairs.observe(pairs)

    def running(self, method: str, change: int) -> None:
        """Note that a call began (1) or ended (-1)."""
        self._running.labels(method).inc(change)

    def request(self, method: str, code: str, seconds: float) -> None:
        """Note that a call ended."""
        self._requests.labels(method, code).observe(seconds)
        if code == "DATA_LOSS":
            self._corrupt.inc()
        self._cache_used()

    def replica_lag(self, seconds: float) -> None:
        """Note how far the database is behind its primary."""
        self._replica_lag.set(seconds)

    def database(self, up: bool) -> None:
        """Note whether PostgreSQL answered."""
        self._database_up.set(up)
