"""What Prometheus sees of rest_gateway. The only module here that knows it."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import Counter, Gauge, Histogram, Info

_REQUESTS = Histogram(
    "eventindex_http_request_seconds",
    "Time from the request to the end of the answer.",
    ["method", "route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600),
)
_RUNNING = Gauge("eventindex_http_requests_running", "Requests that are being answered.")
_JOB_PAIRS = Counter("eventindex_http_job_pairs", "Pairs of jobs looked up.", ["outcome"])
_UP = {
    "index": Gauge("eventindex_index_up", "1 when the index answered the last question."),
    "database": Gauge("eventindex_database_up", "1 when PostgreSQL answered the last question."),
}
_BUILD = Info("eventindex_build", "Which software runs.")


class Metrics:
    """Observations of the service, as calls."""

    def __init__(self) -> None:
        _BUILD.info({"service": "rest_gateway", "version": version("eventindex")})

    def running(self, change: int) -> None:
        """Note that a request began (1) or ended (-1)."""
        _RUNNING.inc(change)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note that a request of a route ended."""
        _REQUESTS.labels(method, route, str(status)).observe(seconds)

    def job_pairs(self, found: int, not_found: int) -> None:
        """Note that a part of a job was answered."""
        _JOB_PAIRS.labels("found").inc(found)
        _JOB_PAIRS.labels("not_found").inc(not_found)

    def backend(self, name: str, up: bool) -> None:
        """Note whether the index or the database answered."""
        _UP[name].set(up)
