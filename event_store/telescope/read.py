"""Telescope records out of the database: by run, in short statements, a bounded piece at a time.

No snapshot is held between two pieces: whoever reads slowly holds nothing. Never writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import Connection
from event_store.model import NUMBER_MAX
from event_store.telescope.names import TelescopeFile

ROWS_PER_PIECE_MAX = 500
# Bytes of payloads read at a time; one record always fits.
BYTES_PER_PIECE_MAX = 4 * 1024 * 1024
_RUNS_PER_STATEMENT_MAX = 200


@dataclass(frozen=True, slots=True)
class CosmicSelection:
    """Records by run range, event range, time range (Unix seconds) and detector; all inclusive."""

    run_first: int = 0
    run_last: int = NUMBER_MAX
    event_first: int = 0
    event_last: int = NUMBER_MAX
    time_first_s: int | None = None
    time_last_s: int | None = None
    detector_id: str | None = None


@dataclass(frozen=True, slots=True)
class CosmicRow:
    """One record; `trigger_bits` is signed, `tdc` as it was decoded from JSON."""

    run_number: int
    event_number: int
    detector_id: str
    unix_seconds: int | None
    format: int | None
    cosmic_block: int | None
    trigger_bits: int | None
    tdc: Mapping[str, Any] | None
    clock_count: int | None
    trigger_counter: int | None
    epoch: int | None
    counter_clocks: int | None
    event_counter: int | None
    repaired: bool
    clock_problem: str
    payload: bytes

    @property
    def file(self) -> TelescopeFile:
        """The RAW file that the record belongs to."""
        return TelescopeFile(self.detector_id, self.run_number, self.cosmic_block)


_COLUMNS = (
    "run_number, event_number, detector_id, extract(epoch FROM event_time)::bigint, format, "
    "cosmic_block, trigger_bits, tdc, clock_count, trigger_counter, epoch, counter_clocks, "
    "event_counter, repaired, clock_problem, payload"
)


class CosmicScan:
    """The records of a selection in the order of (run, event, detector), piece by piece."""

    def __init__(self, selection: CosmicSelection, file: TelescopeFile | None = None) -> None:
        """Begin before the first record; `file` restricts to the records of a RAW file."""
        self._conditions, self._values = conditions_of(selection)
        if file is not None:
            self._conditions += " AND c.cosmic_block IS NOT DISTINCT FROM %s"
            self._values = (*self._values, file.block)
        self._selection = selection
        self._runs: Sequence[int] = ()
        self._run = selection.run_first - 1
        self._key = (selection.event_first, "")

    def read(self, connection: Connection) -> list[CosmicRow]:
        """Return the next records; none at the end.

        Raises:
            StoreUnavailableError: the database did not answer; the scan may be read on.
        """
        found: list[CosmicRow] = []
        runs, run, key = self._runs, self._run, self._key
        while len(found) < ROWS_PER_PIECE_MAX and _size(found) < BYTES_PER_PIECE_MAX:
            with connection.cursor() as cursor:
                if not runs:
                    runs = self._next_runs(cursor, run)
                    if not runs:
                        break
                limit = ROWS_PER_PIECE_MAX - len(found)
                rows = self._read_run(cursor, runs[0], key, limit)
            found += rows
            if len(rows) < limit and _size(rows) < BYTES_PER_PIECE_MAX:
                run, runs, key = runs[0], runs[1:], (self._selection.event_first, "")
            else:
                key = (rows[-1].event_number, rows[-1].detector_id)
        # Only now: a read that failed is repeated from where it began.
        self._runs, self._run, self._key = runs, run, key
        return found

    def _next_runs(self, cursor: Cursor, after: int) -> list[int]:
        # OFFSET 0: a look into an index for each run, never one scan of all records.
        cursor.execute(
            "SELECT DISTINCT run_number FROM run r WHERE detector_id IS NOT NULL "
            "AND run_number > %s AND run_number <= %s AND EXISTS ("
            f"SELECT 1 FROM cosmic_event c WHERE c.run_number = r.run_number {self._conditions} "
            "OFFSET 0) ORDER BY run_number LIMIT %s",
            (after, self._selection.run_last, *self._values, _RUNS_PER_STATEMENT_MAX),
        )
        return [run for (run,) in cursor.fetchall()]

    def _read_run(
        self, cursor: Cursor, run: int, key: tuple[int, str], limit: int
    ) -> list[CosmicRow]:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM (SELECT page.*, sum(octet_length(payload)) "
            "OVER (ORDER BY event_number, detector_id) - octet_length(payload) AS before FROM ("
            "SELECT * FROM cosmic_event c WHERE c.run_number = %s AND c.event_number >= %s "
            f"AND (c.event_number, c.detector_id) > (%s, %s) {self._conditions} "
            "ORDER BY c.event_number, c.detector_id LIMIT %s) page) sized "
            "WHERE before < %s ORDER BY event_number, detector_id",
            (run, key[0], *key, *self._values, limit, BYTES_PER_PIECE_MAX),
        )
        return [CosmicRow(*[*row[:-1], bytes(row[-1])]) for row in cursor.fetchall()]


def conditions_of(selection: CosmicSelection) -> tuple[str, tuple[object, ...]]:
    """Return conditions on a record `c` beside its run, each after an AND, and their values."""
    parts: list[tuple[str, object]] = []
    if selection.event_first > 0:
        parts.append(("c.event_number >= %s", selection.event_first))
    if selection.event_last < NUMBER_MAX:
        parts.append(("c.event_number <= %s", selection.event_last))
    if selection.time_first_s is not None:
        parts.append(("c.event_time >= to_timestamp(%s)", selection.time_first_s))
    if selection.time_last_s is not None:
        parts.append(("c.event_time <= to_timestamp(%s)", selection.time_last_s))
    if selection.detector_id is not None:
        parts.append(("c.detector_id = %s", selection.detector_id))
    text = "".join(f" AND {condition}" for condition, _ in parts)
    return text, tuple(value for _, value in parts)


def _size(rows: Sequence[CosmicRow]) -> int:
    return sum(len(row.payload) for row in rows)
