"""What is asked for by number or name must be there: an empty answer would hide a mistake."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

from event_store.database.connection import fetch_one
from event_store.errors import NotFoundError
from event_store.model import RAW, fuid_text
from event_store.select.collections import collections_of_runs
from eventindex.told import told

# Collections that an error names.
_NAMES_SHOWN = 10


def run_exists(cursor: Cursor, run_number: int, collection: int) -> bool:
    """Return whether a run holds events of a collection."""
    return _holds(
        cursor,
        "EXISTS (SELECT 1 FROM run WHERE run_number = %s AND collection_id = %s AND n_events > 0)",
        run_number,
        collection,
    )


def require_run(cursor: Cursor, run_number: int | None, collection: int = RAW) -> None:
    """Check that a run, where one is asked for, holds events of a collection.

    Raises:
        NotFoundError: it does not; names the collections that have it.
    """
    if run_number is not None and not run_exists(cursor, run_number, collection):
        raise NotFoundError(run_not_found(cursor, run_number))


def run_not_found(cursor: Cursor, run_number: int) -> str:
    """Return the sentence that a run is not there, with the collections that hold it."""
    names = collections_of_runs(cursor, [run_number])
    if not names:
        return told("RUN_NOT_FOUND", "run {run} is not in the index", run=run_number)
    shown = [*names[:_NAMES_SHOWN], *(["…"] if len(names) > _NAMES_SHOWN else [])]
    return told(
        "RUN_ELSEWHERE",
        "run {run} is not in the index in this collection; run {run} is in {collections}",
        run=run_number,
        collections=", ".join(shown),
    )


def require_dataset(cursor: Cursor, dsid: int | None) -> None:
    """Check that a dataset, where one is asked for, is registered.

    Raises:
        NotFoundError: it is not.
    """
    if dsid is not None and not _holds(
        cursor, "EXISTS (SELECT 1 FROM dataset WHERE dsid_raw = %s)", dsid
    ):
        raise NotFoundError(
            told("DATASET_NOT_FOUND", "dsid_raw={dataset} is not in the index", dataset=dsid)
        )


def require_file(cursor: Cursor, fuid: bytes | None, collection: int) -> None:
    """Check that a file (id of 16 bytes), where one is asked for, has events of a collection.

    Raises:
        NotFoundError: it has none.
    """
    if fuid is not None and not _holds(
        cursor,
        "EXISTS (SELECT 1 FROM raw_file WHERE fuid_raw = %s::uuid AND collection_id = %s "
        "AND n_events > 0)",
        fuid.hex(),
        collection,
    ):
        raise NotFoundError(
            told("FILE_NOT_FOUND", "fuid_raw={file} is not in the index", file=fuid_text(fuid))
        )


def require_detector(cursor: Cursor, detector_id: str | None) -> None:
    """Check that a telescope, where one is asked for by name, sent any event.

    Raises:
        NotFoundError: it did not.
    """
    # OFFSET 0: one look into an index for each run, never a scan of all records.
    if detector_id and not _holds(
        cursor,
        "EXISTS (SELECT 1 FROM run WHERE detector_id = %s) OR EXISTS ("
        "SELECT 1 FROM run r WHERE r.detector_id IS NOT NULL AND EXISTS ("
        "SELECT 1 FROM cosmic_event c WHERE c.run_number = r.run_number AND c.detector_id = %s "
        "OFFSET 0))",
        detector_id,
        detector_id,
    ):
        raise NotFoundError(
            told(
                "DETECTOR_NOT_FOUND",
                "detector_id={detector} is not in the index",
                detector=f"{detector_id!r}",
            )
        )


def _holds(cursor: Cursor, condition: str, *values: object) -> bool:
    cursor.execute(f"SELECT {condition}", values)
    return bool(fetch_one(cursor)[0])
