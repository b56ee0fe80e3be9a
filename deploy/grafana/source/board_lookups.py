"""What index_service is asked and how it answers."""

from __future__ import annotations

from panels import Panel, graph, stacked
from queries import quantile, summed


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    calls = "eventindex_request_seconds"
    failed = ('code=~"INTERNAL|UNAVAILABLE|DATA_LOSS|UNKNOWN"',)
    return [
        stacked(
            graph(
                "Pairs by outcome",
                "cps",
                12,
                "Pairs of run and event that were looked up, also within streams.",
                (summed("eventindex_lookup_pairs_total", "outcome"), "{{outcome}}"),
            )
        ),
        graph(
            "Calls by method",
            "cps",
            12,
            "Calls that ended; a stream is one call.",
            (summed(f"{calls}_count", "method"), "{{method}}"),
        ),
        graph(
            "Time of a call",
            "s",
            12,
            "99 of 100 calls take no longer; a stream takes as long as its job.",
            (quantile(0.99, calls, "method"), "{{method}} p99"),
        ),
        graph(
            "Time of Lookup",
            "s",
            12,
            "Calls with one batch of pairs.",
            (quantile(0.5, calls, where=('method="Lookup"',)), "p50"),
            (quantile(0.99, calls, where=('method="Lookup"',)), "p99"),
        ),
        graph(
            "Failed calls",
            "cps",
            12,
            "Faults of the service or of the database.",
            (summed(f"{calls}_count", "method", "code", where=failed), "{{method}} {{code}}"),
        ),
        graph(
            "Refused calls",
            "cps",
            12,
            "Wrong questions, missing tokens, and RESOURCE_EXHAUSTED: it serves as many as it may.",
            (
                summed(
                    f"{calls}_count",
                    "method",
                    "code",
                    where=('code!~"OK|CANCELLED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNKNOWN"',),
                ),
                "{{method}} {{code}}",
            ),
        ),
    ]
