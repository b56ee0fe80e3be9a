"""What index_service tells Prometheus. The only module here that knows prometheus_client."""

from __future__ import annotations

import threading
from dataclasses import replace
from importlib.metadata import version

from prometheus_client import Counter, Gauge, Histogram

from event_store.lookup.cache import CacheCounts, PageCache

_PAIRS = Counter("eventindex_lookup_pairs", "Pairs looked up.", ["outcome"])
_FOUND, _NOT_FOUND = _PAIRS.labels("found"), _PAIRS.labels("not_found")
_REQUESTS = Histogram(
    "eventindex_request_seconds",
    "Time from the request to the end of the answer; a stream is one request.",
    ["method", "code"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600),
)
# The modes say what stands for all workers; with one worker they mean nothing.
_BUILD = Gauge(
    "eventindex_build_info",
    "Which software runs.",
    ["service", "version"],
    multiprocess_mode="livemax",
)
_DATABASE_UP = Gauge(
    "eventindex_database_up",
    "1 when PostgreSQL answered the last question.",
    multiprocess_mode="livemin",
)
_CACHE_BYTES = Gauge(
    "eventindex_cache_bytes", "Memory that the held pages take.", multiprocess_mode="livesum"
)
_CACHE_BYTES_MAX = Gauge(
    "eventindex_cache_bytes_max", "The bound of that memory.", multiprocess_mode="livesum"
)
_CACHE_PAGES = Gauge(
    "eventindex_cache_pages", "Pages held, absent ones included.", multiprocess_mode="livesum"
)
_HITS = Counter("eventindex_cache_hits", "Pairs answered without reading their page.")
_MISSES = Counter("eventindex_cache_misses", "Pairs whose page was read or checked.")
_EVICTIONS = Counter("eventindex_cache_evictions", "Pages pushed out to make room.")


class Metrics:
    """Observations of the service, as calls."""

    def __init__(self, cache: PageCache[bytes]) -> None:
        self._cache = cache
        self._counted = CacheCounts()
        self._lock = threading.Lock()
        _CACHE_BYTES_MAX.set(cache.bytes_max)
        _BUILD.labels("index_service", version("eventindex")).set(1)

    def looked_up(self, found: int, not_found: int) -> None:
        """Note that a batch of pairs was answered."""
        _FOUND.inc(found)
        _NOT_FOUND.inc(not_found)
        self._cache_used()

    def _cache_used(self) -> None:
        """Read the cache's figures: a lookup may have changed them."""
        with self._lock:
            now, before = replace(self._cache.counts), self._counted
            self._counted = now
        _HITS.inc(now.hits - before.hits)
        if now.misses != before.misses or now.evictions != before.evictions:
            _MISSES.inc(now.misses - before.misses)
            _EVICTIONS.inc(now.evictions - before.evictions)
            _CACHE_BYTES.set(self._cache.nbytes)
            _CACHE_PAGES.set(len(self._cache))

    def request(self, method: str, code: str, seconds: float) -> None:
        """Note that a call ended."""
        _REQUESTS.labels(method, code).observe(seconds)
        self._cache_used()

    def database(self, up: bool) -> None:
        """Note whether PostgreSQL answered."""
        _DATABASE_UP.set(up)
