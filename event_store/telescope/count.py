"""How many telescope records there are, by run, block, hour or detector. Never writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from event_store.database.connection import Connection
from event_store.telescope.read import CosmicSelection, conditions_of

_RUNS_PER_STATEMENT_MAX = 200
# About a second of counting.
_COUNTED_PER_STATEMENT_MAX = 2_000_000

# The keys of each way to count, with NULLs among them.
COUNT_KEYS: Mapping[str, str] = {
    "total": "",
    "run": "run_number",
    "block": "detector_id, run_number, cosmic_block",
    "hour": "floor(extract(epoch FROM event_time) / 3600)::bigint * 3600",
    "detector": "detector_id",
}


def count(
    connection: Connection, selection: CosmicSelection, by: str, groups_max: int
) -> dict[tuple[Any, ...], int]:
    """Return how many records a selection has for each key of `COUNT_KEYS[by]`.

    Counted a few runs a statement; more than `groups_max` keys end it early with one more.
    """
    conditions, values = conditions_of(selection)
    keys = COUNT_KEYS[by]
    sql = (
        f"SELECT {keys + ', ' if keys else ''}count(*) FROM cosmic_event c "
        f"WHERE c.run_number = ANY (%s) {conditions} "
        f"{f'GROUP BY {keys}' if keys else ''} LIMIT {groups_max + 1}"
    )
    counts: dict[tuple[Any, ...], int] = {}
    for runs in _runs_to_count(connection, selection):
        with connection.cursor() as cursor:
            cursor.execute(sql, (runs, *values))
            for *key, number in cursor.fetchall():
                counts[tuple(key)] = counts.get(tuple(key), 0) + number
        if len(counts) > groups_max:
            break
    return counts


def _runs_to_count(connection: Connection, selection: CosmicSelection) -> Iterator[list[int]]:
    """Yield the runs of a selection that a telescope sent, so many as one statement may count."""
    after = selection.run_first - 1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT run_number, sum(n_events)::bigint FROM run WHERE detector_id IS NOT NULL "
                "AND run_number > %s AND run_number <= %s "
                "GROUP BY run_number ORDER BY run_number LIMIT %s",
                (after, selection.run_last, _RUNS_PER_STATEMENT_MAX),
            )
            found = cursor.fetchall()
        if not found:
            return
        after = found[-1][0]
        part: list[int] = []
        events = 0
        for run, n_events in found:
            if part and events + n_events > _COUNTED_PER_STATEMENT_MAX:
                yield part
                part, events = [], 0
            part.append(run)
            events += n_events
        yield part
