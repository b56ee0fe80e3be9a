"""Which telescope file an id stands for, and which dataset it is in. Never writes."""

from __future__ import annotations

from collections.abc import Collection

from psycopg2.extensions import cursor as Cursor

from event_store.telescope.names import TelescopeFile, cosmic_dataset, cosmic_fuid


def find_file(cursor: Cursor, fuid_raw: str) -> TelescopeFile | None:
    """Return the block that a RAW file id stands for; None when it is no telescope's.

    Looks at the file's first event in the index or, where every one of its events is another
    file's there, at a conflict; then at all blocks of the run.
    """
    cursor.execute(
        "SELECT run_number, first_event FROM raw_file WHERE fuid_raw = %s::uuid "
        "UNION ALL (SELECT run_number, event_number FROM event_conflict "
        "WHERE offered_fuid_raw = %s::uuid LIMIT 1)",
        (fuid_raw, fuid_raw),
    )
    places = cursor.fetchall()
    for run, event in places:
        found = _block_of(cursor, fuid_raw, run, event)
        if found is not None:
            return found
    for run in sorted({run for run, _ in places}):
        found = _block_of(cursor, fuid_raw, run, None)
        if found is not None:
            return found
    return None


def _block_of(cursor: Cursor, fuid_raw: str, run: int, event: int | None) -> TelescopeFile | None:
    cursor.execute(
        "SELECT DISTINCT detector_id, cosmic_block FROM cosmic_event "
        "WHERE run_number = %s AND (%s::bigint IS NULL OR event_number = %s)",
        (run, event, event),
    )
    for detector_id, block in cursor.fetchall():
        if str(cosmic_fuid(detector_id, run, block)) == fuid_raw:
            return TelescopeFile(detector_id, run, block)
    return None


def file_known(cursor: Cursor, fuid_raw: str) -> bool:
    """Return whether a RAW file has events in the index, or was offered another file's."""
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM raw_file WHERE fuid_raw = %s::uuid AND n_events > 0) "
        "OR EXISTS (SELECT 1 FROM event_conflict WHERE offered_fuid_raw = %s::uuid)",
        (fuid_raw, fuid_raw),
    )
    row = cursor.fetchone()
    return row is not None and bool(row[0])


def dataset_numbers(cursor: Cursor, files: Collection[TelescopeFile]) -> dict[TelescopeFile, int]:
    """Return the dataset of each telescope file: as in the index, else the one by its name."""
    found: dict[TelescopeFile, int] = {}
    for run in sorted({file.run_number for file in files}):
        of_run = {str(cosmic_fuid(*file)): file for file in files if file.run_number == run}
        cursor.execute(
            "SELECT fuid_raw, dsid_raw FROM raw_file "
            "WHERE run_number = %s AND fuid_raw = ANY (%s::uuid[]) ORDER BY n_events",
            (run, list(of_run)),
        )
        found |= {of_run[fuid]: dsid for fuid, dsid in cursor.fetchall()}
    missing = {file: cosmic_dataset(file.detector_id, file.run_number) for file in files}
    missing = {file: name for file, name in missing.items() if file not in found}
    if missing:
        cursor.execute(
            "SELECT name, dsid_raw FROM dataset WHERE name = ANY (%s)", (list(missing.values()),)
        )
        numbers = dict(cursor.fetchall())
        found |= {file: numbers.get(name, 0) for file, name in missing.items()}
    return found


def run_has_records(cursor: Cursor, run_number: int) -> bool:
    """Return whether any telescope sent events of a run."""
    cursor.execute(
        "SELECT EXISTS (SELECT 1 FROM cosmic_event WHERE run_number = %s)", (run_number,)
    )
    row = cursor.fetchone()
    return row is not None and bool(row[0])
