"""Conflicts in the database: the same event offered with another file, dataset, mask or record.

One row for each distinct offer, with what is stored beside what was offered. Works on the cursor
of the transaction that writes the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from event_store.cosmic import signed
from event_store.merge import Columns, FileTable, Merged
from event_store.model import CosmicRecord, EventColumns

# An offer that once took the stored value's place and conflicts again is open again.
_REOPENED = ", ".join(
    f"{column} = CASE c.resolution WHEN 'kept' THEN c.{column} ELSE excluded.{column} END"
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
_UPSERT = (
    "INSERT INTO event_conflict AS c (run_number, event_number, offer_digest, "
    "stored_fuid_raw, stored_dsid_raw, stored_olt_result, stored_record, "
    "offered_fuid_raw, offered_dsid_raw, offered_olt_result, offered_record, source, times) "
    "VALUES %s ON CONFLICT (run_number, event_number, offer_digest) "
    f"DO UPDATE SET times = c.times + excluded.times, last_seen = now(), {_REOPENED}"
)


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The conflicting rows of merged columns.

    Attributes:
        run_number: the run.
        offered, merged, table: what was merged and what came of it.
        rows: the conflicting rows of `offered`, ascending.
        differing: the stored telescope record (canonical JSON) by row, where it differs.
    """

    run_number: int
    offered: Columns
    merged: Merged
    table: FileTable
    rows: Sequence[int]
    differing: Mapping[int, bytes]


def record_conflicts(
    cursor: Cursor, found: Conflicts, batch: EventColumns, positions: npt.NDArray[np.intp]
) -> None:
    """Record conflicts; `positions` are the places of the offered events in the batch."""
    fuids, dsids = found.table.arrays()
    counted: dict[tuple[int, bytes], list[Any]] = {}
    for row in found.rows:
        position = int(positions[row])
        event, olt = int(found.offered.events[row]), int(found.offered.olt[row])
        file = int(found.offered.files[row])
        kept = int(found.merged.kept_files[row])
        fuid, dsid = fuids[file].tobytes(), int(dsids[file])
        record = batch.cosmic.get(position)
        digest = _digest(fuid, dsid, olt, record)
        known = counted.get((event, digest))
        if known is not None:
            known[-1] += 1
            continue
        counted[event, digest] = [
            found.run_number,
            event,
            digest,
            fuids[kept].tobytes().hex(),
            int(dsids[kept]),
            signed(int(found.merged.kept_olt[row])),
            found.differing.get(row),
            fuid.hex(),
            dsid,
            signed(olt),
            record.canonical if record else None,
            batch.sources[int(batch.source_index[position])],
            1,
        ]
    execute_values(cursor, _UPSERT, list(counted.values()), page_size=1000)


def _digest(fuid: bytes, dsid: int, olt: int, record: CosmicRecord | None) -> bytes:
    offer = fuid + dsid.to_bytes(4) + olt.to_bytes(8) + (record.canonical if record else b"")
    return hashlib.sha256(offer).digest()[:16]
