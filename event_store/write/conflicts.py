"""Conflicts in the database: the same event offered with another file, dataset, mask or record.

One row for each distinct offer, with what is stored beside what was offered. Works on the cursor
of the transaction that writes the runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor

from event_store.database.statements import execute_rows
from event_store.model import CosmicRecord, EventColumns, signed
from event_store.pages.merge import BatchFiles, Columns, Merged

# An offer that replaced the stored value and conflicts once more is an open conflict again.
_REOPENED = ", ".join(
    f"{column} = CASE WHEN c.resolution = 'kept' THEN c.{column} ELSE excluded.{column} END"
    for column in (
        "stored_fuid_raw",
        "stored_dsid_raw",
        "stored_olt_result",
        "stored_record",
        "resolution",
        "resolved_by",
        "resolved",
    )
)
_INSERT = (
    "INSERT INTO event_conflict AS c (collection_id, run_number, event_number, offer_digest, "
    "stored_fuid_raw, stored_dsid_raw, stored_olt_result, "
    "offered_fuid_raw, offered_dsid_raw, offered_olt_result, offered_record, source, times, "
    "stored_record) "
)
_ON_CONFLICT = (
    " ON CONFLICT (run_number, collection_id, event_number, offer_digest) "
    f"DO UPDATE SET times = c.times + excluded.times, last_seen = excluded.last_seen, "
    f"{_REOPENED}"
)
_UPSERT = f"{_INSERT}VALUES %s{_ON_CONFLICT}"
_PLAIN_ROW = f"({'%s, ' * 13}NULL)"
# The server takes the stored record from where it is: a small message may differ from a large
# record many times. Joined, since a cluster takes no subquery as a value.
_UPSERT_WITH_RECORD = (
    f"{_INSERT}SELECT v.collection_id, r.run_number, r.event_number, v.digest, v.fuid, v.dsid, "
    "v.olt, v.offered_fuid, v.offered_dsid, v.offered_olt, v.record, v.source, v.times, "
    "r.canonical FROM (VALUES %s) AS v (collection_id, run_number, event_number, digest, fuid, "
    "dsid, olt, offered_fuid, offered_dsid, offered_olt, record, source, times, detector_id) "
    "JOIN cosmic_event AS r ON r.run_number = v.run_number AND r.event_number = v.event_number "
    f"AND r.detector_id = v.detector_id{_ON_CONFLICT}"
)
_ROW_WITH_RECORD = (
    "(%s::integer, %s::bigint, %s::bigint, %s::bytea, %s::uuid, %s::integer, %s::bigint, "
    "%s::uuid, %s::integer, %s::bigint, %s::bytea, %s::text, %s::bigint, %s::text)"
)


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The conflicting rows of merged columns.

    Attributes:
        offered, merged, table: what was merged and what came of it.
        positions: the places of the offered events in the batch.
        rows: the conflicting rows of `offered`, ascending.
        differing: the bytes of the stored telescope record by position, where it differs.
    """

    offered: Columns
    merged: Merged
    table: BatchFiles
    positions: npt.NDArray[np.intp]
    rows: Sequence[int]
    differing: Mapping[int, int]


@dataclass(slots=True)
class _Offer:
    """A distinct offer: a row of the table, and how often it was made.

    Attributes:
        row: its values as `_INSERT` names them, without `times`.
        differs_from: the detector whose stored record is another one.
    """

    row: list[Any]
    differs_from: str | None
    stored_bytes: int
    times: int = 1


def record_conflicts(
    cursor: Cursor,
    found: Conflicts,
    batch: EventColumns,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Record conflicts of some runs; `step` is called after each statement."""
    offers = _distinct(found, batch)
    plain = [[*offer.row, offer.times] for offer in offers if offer.differs_from is None]
    execute_rows(cursor, _UPSERT, plain, template=_PLAIN_ROW, step=step)
    differing = [offer for offer in offers if offer.differs_from is not None]
    # Each statement is sized by the stored record that its row makes the server copy.
    sizes = iter([offer.stored_bytes for offer in differing])
    execute_rows(
        cursor,
        _UPSERT_WITH_RECORD,
        ([*offer.row, offer.times, offer.differs_from] for offer in differing),
        template=_ROW_WITH_RECORD,
        beside=lambda _: next(sizes),
        step=step,
    )


def _distinct(found: Conflicts, batch: EventColumns) -> list[_Offer]:
    fuids, dsids = found.table.arrays()
    counted: dict[tuple[int, int, bytes], _Offer] = {}
    for row in found.rows:
        position = int(found.positions[row])
        run, event = int(batch.runs[position]), int(batch.events[position])
        olt = int(found.offered.olt[row])
        file = int(found.offered.files[row])
        kept = int(found.merged.kept_files[row])
        fuid, dsid = fuids[file].tobytes(), int(dsids[file])
        record = batch.cosmic.get(position)
        digest = _digest(fuid, dsid, olt, record)
        known = counted.get((run, event, digest))
        if known is not None:
            known.times += 1
            continue
        stored_bytes = found.differing.get(position)
        differs = record is not None and stored_bytes is not None
        counted[run, event, digest] = _Offer(
            [
                batch.collection,
                run,
                event,
                digest,
                fuids[kept].tobytes().hex(),
                int(dsids[kept]),
                signed(int(found.merged.kept_olt[row])),
                fuid.hex(),
                dsid,
                signed(olt),
                record.canonical if record else None,
                batch.sources[int(batch.source_index[position])],
            ],
            record.detector_id if record and differs else None,
            stored_bytes or 0,
        )
    return list(counted.values())


def _digest(fuid: bytes, dsid: int, olt: int, record: CosmicRecord | None) -> bytes:
    offer = fuid + dsid.to_bytes(4) + olt.to_bytes(8) + (record.canonical if record else b"")
    return hashlib.sha256(offer).digest()[:16]
