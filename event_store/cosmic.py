"""Telescope records in the database: stored beside the event, first one stays.

Works on the cursor of the transaction that writes the run. Never looks into a payload.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from event_store.model import CosmicRecord

_COLUMNS = (
    "run_number, event_number, detector_id, event_time, format, cosmic_block, trigger_bits, tdc, "
    "clock_count, trigger_counter, epoch, counter_clocks, event_counter, repaired, payload, "
    "canonical, clock_problem"
)


def store_records(
    cursor: Cursor, run_number: int, records: Iterable[tuple[int, int, CosmicRecord]]
) -> dict[int, bytes]:
    """Store the records of one run that are new.

    Args:
        cursor: in the transaction that holds the run.
        run_number: the run.
        records: (position in the batch, event number, record), in order of position.

    Returns:
        The stored record (canonical JSON) for each position whose record differs from it.
    """
    records = list(records)
    first: dict[tuple[int, str], CosmicRecord] = {}
    for _, event, record in records:
        first.setdefault((event, record.detector_id), record)
    execute_values(
        cursor,
        f"INSERT INTO cosmic_event ({_COLUMNS}) VALUES %s ON CONFLICT DO NOTHING",
        [_row(run_number, event, record) for (event, _), record in first.items()],
        page_size=1000,
    )
    stored = _stored(cursor, run_number, first)
    return {
        position: stored[event, record.detector_id]
        for position, event, record in records
        if stored[event, record.detector_id] != record.canonical
    }


def replace_record(
    cursor: Cursor, run_number: int, event_number: int, record: CosmicRecord
) -> None:
    """Store a record in place of the one that its detector has for the event."""
    columns = _COLUMNS.split(", ")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[3:])
    execute_values(
        cursor,
        f"INSERT INTO cosmic_event ({_COLUMNS}) VALUES %s "
        f"ON CONFLICT (run_number, event_number, detector_id) DO UPDATE SET {changes}, "
        "received = now()",
        [_row(run_number, event_number, record)],
    )


def _stored(
    cursor: Cursor, run_number: int, keys: Mapping[tuple[int, str], object]
) -> dict[tuple[int, str], bytes]:
    events, detectors = zip(*keys, strict=True)
    cursor.execute(
        "SELECT c.event_number, c.detector_id, c.canonical FROM cosmic_event c "
        "JOIN unnest(%s::bigint[], %s::text[]) AS k (event_number, detector_id) "
        "USING (event_number, detector_id) WHERE c.run_number = %s",
        (list(events), list(detectors), run_number),
    )
    return {(event, detector): bytes(canonical) for event, detector, canonical in cursor.fetchall()}


def _row(run_number: int, event_number: int, record: CosmicRecord) -> tuple[Any, ...]:
    seconds = record.unix_seconds
    when = None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    bits = record.trigger_bits
    return (
        run_number,
        event_number,
        record.detector_id,
        when,
        record.format,
        record.cosmic_block,
        None if bits is None else signed(bits),
        None if record.tdc is None else json.dumps(record.tdc),
        record.clock_count,
        record.trigger_counter,
        record.epoch,
        record.counter_clocks,
        record.event_counter,
        record.repaired,
        record.payload,
        record.canonical,
        record.clock_problem,
    )


def signed(bits: int) -> int:
    """64 unsigned bits as PostgreSQL's bigint holds them: two's complement."""
    return bits - (1 << 64) if bits >= 1 << 63 else bits
