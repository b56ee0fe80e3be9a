"""Telescope records in the database: stored beside the event, first one stays.

Works on the cursor of the transaction that writes the runs. Never looks into a payload.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from event_store.database.statements import execute_rows, pieces, text_bytes
from event_store.model import CosmicRecord, signed

_COLUMNS = (
    "run_number, event_number, detector_id, event_time, format, cosmic_block, trigger_bits, tdc, "
    "clock_count, trigger_counter, epoch, counter_clocks, event_counter, repaired, payload, "
    "canonical, clock_problem"
)


class Offer(NamedTuple):
    """A telescope record that is offered: its place in the batch, its event and itself."""

    position: int
    run_number: int
    event_number: int
    record: CosmicRecord

    @property
    def key(self) -> tuple[int, int, str]:
        """What a record is stored under."""
        return self.run_number, self.event_number, self.record.detector_id


def store_records(
    cursor: Cursor, offers: Sequence[Offer], step: Callable[[], None] = lambda: None
) -> dict[int, int]:
    """Store the records that are new.

    Args:
        cursor: in the transaction that holds the runs.
        offers: in order of position.
        step: called after each statement.

    Returns:
        The bytes of the stored record (canonical JSON) for each position whose record differs
        from it. The stored records stay where they are: many may differ from a large one.
    """
    first: dict[tuple[int, int, str], Offer] = {}
    for offer in offers:
        first.setdefault(offer.key, offer)
    stored = set(
        execute_rows(
            cursor,
            f"INSERT INTO cosmic_event ({_COLUMNS}) VALUES %s ON CONFLICT DO NOTHING "
            "RETURNING run_number, event_number, detector_id",
            (_row(*offer[1:]) for offer in first.values()),
            step=step,
        )
    )
    others = [offer for offer in offers if offer.key not in stored or offer is not first[offer.key]]
    return _differing(cursor, others)


def _differing(cursor: Cursor, offers: Sequence[Offer]) -> dict[int, int]:
    """Return the bytes of the stored record for each position of offers that differ from it."""
    found: dict[int, int] = {}
    for piece in pieces(offers, lambda offer: 160 + text_bytes(offer.record.detector_id)):
        values = (
            [offer.position for offer in piece],
            [offer.event_number for offer in piece],
            [offer.record.detector_id for offer in piece],
            [hashlib.sha256(offer.record.canonical).digest() for offer in piece],
        )
        runs = [offer.run_number for offer in piece]
        keys = "unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bytea[]"
        names = "position, event_number, detector_id, digest"
        if runs[0] == runs[-1]:
            source, run = f"{keys}) AS k ({names})", "%s"
        else:
            source, run = f"{keys}, %s::bigint[]) AS k ({names}, run_number)", "k.run_number"
        cursor.execute(
            f"SELECT k.position, octet_length(c.canonical) FROM {source} JOIN cosmic_event c "
            f"ON c.run_number = {run} AND c.event_number = k.event_number "
            "AND c.detector_id = k.detector_id WHERE sha256(c.canonical) <> k.digest",
            (*values, runs[0] if runs[0] == runs[-1] else runs),
        )
        found.update(cursor.fetchall())
    return found


def replace_record(
    cursor: Cursor, run_number: int, event_number: int, record: CosmicRecord
) -> None:
    """Store a record in place of the one that its detector has for the event."""
    columns = _COLUMNS.split(", ")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[3:])
    execute_rows(
        cursor,
        f"INSERT INTO cosmic_event ({_COLUMNS}) VALUES %s "
        f"ON CONFLICT (run_number, event_number, detector_id) DO UPDATE SET {changes}, "
        "received = excluded.received",
        [_row(run_number, event_number, record)],
    )


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
