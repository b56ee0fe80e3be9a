"""What comes in and what becomes of it."""

from __future__ import annotations

from panels import UNSET, Panel, graph, number, state
from queries import of, or_zero, quantile, rate, ratio, summed, total

_INGEST = "eventindex_ingest"


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    return [*_numbers(), *_what_comes(), *_what_waits(), *_writer(), *_trouble()]


def _numbers() -> list[Panel]:
    return [
        state(
            "Broker",
            4,
            "Connected and subscribed.",
            (or_zero(of("eventindex_broker_up"), "instance", zero=UNSET), "{{instance}}"),
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
            (or_zero(of("eventindex_broker_dropped_messages"), "instance"), "{{instance}}"),
            bad=1,
        ),
        number(
            "Dead letters, 24 h",
            "short",
            4,
            "Messages that could not be stored.",
            (total(f"{_INGEST}_dead_letters_total"), "dead letters"),
            bad=1,
        ),
        number(
            "Conflicts, 24 h",
            "short",
            4,
            "Events that came again with other values.",
            (total(f"{_INGEST}_conflict_events_total"), "conflicts"),
            bad=1,
        ),
    ]


def _what_comes() -> list[Panel]:
    return [
        graph(
            "Events by outcome",
            "cps",
            12,
            "received = inserted + duplicate + conflict + rejected + those that are being stored.",
            *(
                (summed(f"{_INGEST}_{what}_events_total"), what)
                for what in ("received", "inserted", "duplicate", "conflict", "rejected")
            ),
        ),
        graph(
            "Messages by door and kind",
            "cps",
            12,
            "Messages over MQTT, batches over gRPC.",
            (summed(f"{_INGEST}_received_messages_total", "door", "kind"), "{{door}} {{kind}}"),
        ),
    ]


def _what_waits() -> list[Panel]:
    return [
        graph(
            "Waiting in memory",
            "short",
            8,
            "Messages and batches that are not stored yet; more wait in the broker. Over MQTT the "
            "receive maximum bounds them.",
            (of(f"{_INGEST}_queue_messages"), "{{instance}} {{door}}"),
        ),
        graph(
            "Age of the oldest",
            "s",
            8,
            "For how long the oldest of them waits.",
            (of(f"{_INGEST}_queue_oldest_seconds"), "{{instance}}"),
        ),
        graph(
            "Memory of the queue",
            "percentunit",
            8,
            "Bytes that wait, as a share of EVENTINDEX_QUEUE_BYTES_MAX.",
            (
                f"sum by (instance) ({of(f'{_INGEST}_queue_bytes')}) "
                f"/ sum by (instance) ({of(f'{_INGEST}_queue_bytes_max')})",
                "{{instance}}",
            ),
        ),
    ]


def _writer() -> list[Panel]:
    commit, events = f"{_INGEST}_commit_seconds", f"{_INGEST}_batch_events"
    return [
        graph(
            "Busy",
            "percentunit",
            8,
            "The share of its time for which the one writer of an instance decodes and stores: at "
            "100 % it is never idle.",
            (rate(f"{_INGEST}_busy_seconds_total"), "{{instance}}"),
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
    ]


def _trouble() -> list[Panel]:
    return [
        graph(
            "Refused by reason",
            "cps",
            8,
            "Events that are not in the index, and messages that were kept as dead letters.",
            (summed(f"{_INGEST}_rejected_events_total", "reason"), "rejected: {{reason}}"),
            (summed(f"{_INGEST}_dead_letters_total", "reason"), "dead letter: {{reason}}"),
        ),
        graph(
            "Trouble",
            "cps",
            8,
            "Rare things: each of them a few times a day is no fault.",
            (summed(f"{_INGEST}_store_retries_total"), "store retries"),
            (summed(f"{_INGEST}_dropped_acks_total"), "acknowledgements dropped"),
            (summed("eventindex_broker_connections_total"), "connections to the broker"),
            (summed(f"{_INGEST}_repaired_events_total"), "repaired telescope lines"),
            (summed(f"{_INGEST}_clock_problem_events_total", "problem"), "clock: {{problem}}"),
            (summed(f"{_INGEST}_refused_files_total"), "files with another name, size, checksum"),
            (summed(f"{_INGEST}_dead_letters_left_total"), "dead letters without room"),
        ),
        graph(
            "Calls of ingest and administration",
            "cps",
            8,
            "Calls over gRPC that ended, by method and gRPC status; a stream is one call.",
            (summed(f"{_INGEST}_request_seconds_count", "method", "code"), "{{method}} {{code}}"),
            (summed("eventindex_admin_seconds_count", "method", "code"), "{{method}} {{code}}"),
        ),
        graph(
            "Streams and calls that are open",
            "short",
            8,
            "Over gRPC.",
            (of("eventindex_requests_running", 'job="ingest_service"'), "{{instance}} {{method}}"),
        ),
        number(
            "Room for dead letters, in use",
            "percentunit",
            8,
            "Of EVENTINDEX_DEAD_LETTERS_BYTES_MAX; beyond it refused messages are gone.",
            (
                or_zero(
                    f"max({of(f'{_INGEST}_dead_letters_bytes')} "
                    f"/ ({of(f'{_INGEST}_dead_letters_bytes_max')} > 0))"
                ),
                "in use",
            ),
            bad=0.8,
        ),
        number(
            "Since the last message",
            "s",
            8,
            "By door; since 1970 where none came since the service started.",
            (
                f"time() - max by (door) ({of(f'{_INGEST}_last_message_timestamp_seconds')})",
                "{{door}}",
            ),
        ),
    ]
