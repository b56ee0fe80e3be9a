"""What rest_gateway is asked and how it answers."""

from __future__ import annotations

from panels import Panel, graph, stacked, state
from queries import of, quantile, summed


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    calls = "eventindex_http_request_seconds"
    return [
        graph(
            "Requests by status",
            "reqps",
            12,
            "Requests that ended.",
            (summed(f"{calls}_count", "status"), "{{status}}"),
        ),
        graph(
            "Requests by route",
            "reqps",
            12,
            "The same by path of the API; none is a page or a path that does not exist.",
            (summed(f"{calls}_count", "method", "route"), "{{method}} {{route}}"),
        ),
        graph(
            "Time of a request",
            "s",
            12,
            "From a request to the end of its answer; 99 of 100 take no longer.",
            (quantile(0.99, calls, "route"), "{{route}} p99"),
        ),
        graph(
            "Failed requests",
            "reqps",
            12,
            "5xx, by route and status.",
            (
                summed(f"{calls}_count", "route", "status", where=('status=~"5.."',)),
                "{{route}} {{status}}",
            ),
        ),
        graph(
            "Requests running",
            "short",
            8,
            "EVENTINDEX_HTTP_REQUESTS_AT_ONCE_MAX of them, 64 by default, and more are refused; of "
            "event streams EVENTINDEX_HTTP_FOLLOWERS_MAX, 256.",
            (of("eventindex_http_requests_running"), "{{instance}}"),
            (of("eventindex_http_followers"), "streams {{instance}}"),
        ),
        stacked(
            graph(
                "Pairs of jobs",
                "cps",
                8,
                "Pairs that jobs looked up, by outcome.",
                (summed("eventindex_http_job_pairs_total", "outcome"), "{{outcome}}"),
            )
        ),
        state(
            "What it stands on",
            8,
            "index_service and PostgreSQL answered last time.",
            (of("eventindex_index_up"), "index {{instance}}"),
            (of("eventindex_database_up", 'job="rest_gateway"'), "database {{instance}}"),
        ),
    ]
