"""What comes in and what becomes of it."""

from __future__ import annotations

from panels import Panel, graph, number, state
from queries import of, quantile, rate, ratio, summed, total


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    i = "eventindex_ingest"
    commit, events = f"{i}_commit_seconds", f"{i}_batch_events"
    return [
        state(
            "Broker",
            4,
            "Connected and subscribed; down without a broker.",
            (of("eventindex_broker_up"), "{{instance}}"),
        ),
        state(
            "Database",
            4,
            "PostgreSQL answered last time.",
            (of("eventindex_database_up", 'job="ingest_service"'), "{{instance}}"),
        ),
        number(
            "Sessions lost, 24 h",
            "short",
            4,
            "What waited in them may be gone.",
            (total("eventindex_broker_sessions_lost_total"), "lost"),
            bad=1,
        ),
        number(
            "Messages dropped by the broker",
            "short",
            4,
            "Since it started, for any of its clients.",
            (of("eventindex_broker_dropped_messages"), "{{instance}}"),
            bad=1,
        ),
        number(
            "Dead letters, 24 h",
            "short",
            4,
            "Messages that could not be stored.",
            (total(f"{i}_dead_letters_total"), "dead letters"),
            bad=1,
        ),
        number(
            "Conflicts, 24 h",
            "short",
            4,
            "Events that came again with other values.",
            (total(f"{i}_conflict_events_total"), "conflicts"),
            bad=1,
        ),
        graph(
            "Events by outcome",
            "cps",
            12,
            "received = inserted + duplicate + conflict + rejected + those that are being stored.",
            *(
                (summed(f"{i}_{what}_events_total"), what)
                for what in ("received", "inserted", "duplicate", "conflict", "rejected")
            ),
        ),
        graph(
            "Messages by door and kind",
            "cps",
            12,
            "Messages over MQTT, batches over gRPC.",
            (summed(f"{i}_received_messages_total", "door", "kind"), "{{door}} {{kind}}"),
        ),
        graph(
            "Time spent storing",
            "percentunit",
            8,
            "The share of its time for which the one writer of an instance stores: at 100 % it is "
            "never idle.",
            (summed(f"{commit}_sum", "instance"), "{{instance}}"),
        ),
        graph(
            "Time of a commit",
            "s",
            8,
            "From a batch to its commit.",
            (quantile(0.5, commit), "p50"),
            (quantile(0.99, commit), "p99"),
        ),
        graph(
            "Events in a batch",
            "short",
            8,
            "Events that were committed together, on average.",
            (ratio(f"sum({rate(f'{events}_sum')})", f"sum({rate(f'{events}_count')})"), "mean"),
        ),
        graph(
            "Refused by reason",
            "cps",
            8,
            "Events that are not in the index, and messages that were kept as dead letters.",
            (summed(f"{i}_rejected_events_total", "reason"), "rejected: {{reason}}"),
            (summed(f"{i}_dead_letters_total", "reason"), "dead letter: {{reason}}"),
        ),
        graph(
            "Trouble",
            "cps",
            8,
            "Rare things: each of them a few times a day is no fault.",
            (summed(f"{i}_store_retries_total"), "store retries"),
            (summed(f"{i}_dropped_acks_total"), "acknowledgements dropped"),
            (summed("eventindex_broker_connections_total"), "connections to the broker"),
            (summed(f"{i}_repaired_events_total"), "repaired telescope lines"),
        ),
        graph(
            "Calls of administration",
            "cps",
            8,
            "Calls of AdminService that ended, by method and gRPC status.",
            (summed("eventindex_admin_seconds_count", "method", "code"), "{{method}} {{code}}"),
        ),
    ]
