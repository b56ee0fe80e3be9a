"""What index_service is asked and how it answers."""

from __future__ import annotations

from panels import Panel, graph, stacked
from queries import of, quantile, rate, ratio, summed

INDEX = 'job="index_service"'


CALLS = "eventindex_request_seconds"


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    return [*_calls(), *_batches(), *_failures()]


def _calls() -> list[Panel]:
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
            (summed(f"{CALLS}_count", "method"), "{{method}}"),
        ),
        graph(
            "Time of a call",
            "s",
            12,
            "99 of 100 calls take no longer; a stream takes as long as its job.",
            (quantile(0.99, CALLS, "method"), "{{method}} p99"),
        ),
    ]


def _batches() -> list[Panel]:
    batch = "eventindex_lookup_batch_seconds"
    return [
        graph(
            "Time of a batch",
            "s",
            12,
            "From a batch of pairs to its answer, by itself or within a stream.",
            (quantile(0.5, batch, "method"), "{{method}} p50"),
            (quantile(0.99, batch, "method"), "{{method}} p99"),
        ),
        graph(
            "Batches",
            "cps",
            8,
            "Batches of pairs that were answered.",
            (summed(f"{batch}_count", "method"), "{{method}}"),
        ),
        graph(
            "Pairs of a batch",
            "short",
            8,
            "On average.",
            (
                ratio(
                    f"sum by (method) ({rate('eventindex_lookup_batch_pairs_sum')})",
                    f"sum by (method) ({rate('eventindex_lookup_batch_pairs_count')})",
                ),
                "{{method}}",
            ),
        ),
        graph(
            "Calls and streams that are open",
            "percentunit",
            8,
            "As a share of EVENTINDEX_LOOKUPS_AT_ONCE_MAX; beyond it calls are refused.",
            (
                f"sum by (instance) ({of('eventindex_requests_running', INDEX)}) "
                f"/ sum by (instance) ({of('eventindex_requests_running_max')})",
                "{{instance}}",
            ),
        ),
    ]


def _failures() -> list[Panel]:
    failed = ('code=~"INTERNAL|UNAVAILABLE|DATA_LOSS|UNKNOWN"',)
    return [
        graph(
            "Failed calls",
            "cps",
            12,
            "Faults of the service or of the database.",
            (summed(f"{CALLS}_count", "method", "code", where=failed), "{{method}} {{code}}"),
            (summed("eventindex_corrupt_page_answers_total"), "pages that contradict themselves"),
        ),
        graph(
            "Refused calls",
            "cps",
            12,
            "Wrong questions, missing tokens, and RESOURCE_EXHAUSTED: it serves as many as it may.",
            (
                summed(
                    f"{CALLS}_count",
                    "method",
                    "code",
                    where=('code!~"OK|CANCELLED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNKNOWN"',),
                ),
                "{{method}} {{code}}",
            ),
        ),
    ]
