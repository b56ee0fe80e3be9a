"""How index_service answers: its cache and its database."""

from __future__ import annotations

from panels import Panel, graph, number, state
from queries import of, or_zero, rate, ratio, summed


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    return [*_numbers(), *_cache(), *_contents()]


def _numbers() -> list[Panel]:
    return [
        state(
            "Database",
            4,
            "PostgreSQL answered every worker last time.",
            (of("eventindex_database_up", 'job="index_service"'), "{{instance}}"),
        ),
        number(
            "Behind its primary",
            "s",
            4,
            "Of a read replica; 0 of a primary.",
            (of("eventindex_database_replica_lag_seconds"), "{{instance}}"),
            bad=60,
        ),
        number(
            "Cache in use",
            "percentunit",
            4,
            "Full is normal: the pages that were not used for longest make room.",
            (
                or_zero(
                    f"sum({of('eventindex_cache_bytes')}) / sum({of('eventindex_cache_bytes_max')})"
                ),
                "in use",
            ),
        ),
        number(
            "Pages in the cache",
            "short",
            4,
            "Pages that are known to be absent included.",
            (or_zero(f"sum({of('eventindex_cache_pages')})"), "pages"),
        ),
        number(
            "Stored",
            "short",
            4,
            "What the index holds, of all collections; asked once a minute.",
            *(
                (f"max({of(f'eventindex_stored_{what}')})", what)
                for what in ("events", "runs", "files")
            ),
        ),
        number(
            "Bytes for an event",
            "bytes",
            4,
            "All tables, indexes and TOAST, by the events in them.",
            (
                or_zero(
                    f"sum(max by (table) ({of('eventindex_database_table_bytes')})) "
                    f"/ (max({of('eventindex_stored_events')}) > 0)"
                ),
                "bytes",
            ),
        ),
    ]


def _cache() -> list[Panel]:
    hits, misses = rate("eventindex_cache_hits_total"), rate("eventindex_cache_misses_total")
    return [
        graph(
            "Cache hits",
            "percentunit",
            12,
            "The share of pairs that were answered without reading their page; 0 when idle.",
            (ratio(f"sum({hits})", f"sum({hits}) + sum({misses})"), "hits"),
        ),
        graph(
            "Pairs that missed, pages put out",
            "cps",
            12,
            "A page is read once for all pairs in it that are asked together.",
            (summed("eventindex_cache_misses_total"), "pairs that missed"),
            (summed("eventindex_cache_evictions_total"), "pages put out"),
        ),
        graph(
            "Memory of the cache",
            "bytes",
            12,
            "All workers of an instance together.",
            (of("eventindex_cache_bytes"), "{{instance}}"),
            (of("eventindex_cache_bytes_max"), "{{instance}} limit"),
        ),
        graph(
            "Calls that ended",
            "cps",
            12,
            "By instance: one that gets nothing while others do is not found by its clients.",
            (summed("eventindex_request_seconds_count", "instance"), "{{instance}}"),
        ),
    ]


def _contents() -> list[Panel]:
    return [
        graph(
            "Events by collection",
            "short",
            12,
            "Of the 50 largest; the rest is (others).",
            (
                f"max by (collection) ({of('eventindex_collection_events')})",
                "{{collection}}",
            ),
        ),
        graph(
            "Runs by collection",
            "short",
            12,
            "Runs that have events of it.",
            (f"max by (collection) ({of('eventindex_collection_runs')})", "{{collection}}"),
        ),
        graph(
            "Tables",
            "bytes",
            8,
            "With their indexes and TOAST.",
            (f"max by (table) ({of('eventindex_database_table_bytes')})", "{{table}}"),
        ),
        graph(
            "Dead rows",
            "short",
            8,
            "Rows that vacuum has not removed yet.",
            (f"max by (table) ({of('eventindex_database_dead_rows')})", "{{table}}"),
        ),
        graph(
            "Written ahead",
            "Bps",
            8,
            "What the server writes to its log (WAL), and so to replicas and backups.",
            (
                or_zero(f"max(rate({of('eventindex_database_wal_bytes_total')}[5m]))"),
                "WAL",
            ),
        ),
    ]
