"""From the outcomes of events to what became of each submission. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from event_store.model import Outcome, UInt8
from eventindex.told import told
from ingest_service.decode.fields import describe
from ingest_service.model import AnyFile, CosmicFile, Decoded, Reason, Receipt, Rejection, Taken
from ingest_service.pipeline.search import CANNOT_STORE

# The driver's own words go to the log only.
_CANNOT_STORE = told(
    "CANNOT_STORE", "the database does not take this event; the log of the service has the reason"
)


def receipts(items: Sequence[Taken], outcomes: UInt8) -> list[Receipt]:
    """Return what became of each item from the outcome of each of their events in one row."""
    lengths = [len(item.decoded.runs) for item in items]
    numbers = np.repeat(np.arange(len(items)), lengths)
    kinds = len(Outcome) + 1
    table = np.bincount(numbers * kinds + outcomes, minlength=len(items) * kinds)
    found = []
    start = 0
    for item, length, (inserted, duplicates, conflicts, *refused) in zip(
        items, lengths, table.reshape(-1, kinds).tolist(), strict=True
    ):
        rejections = item.decoded.rejections
        if any(refused):
            part = outcomes[start : start + length]
            found_now = [
                *_closed(item.decoded, part),
                *_of_collections(item.decoded, part),
                *_not_taken(item.decoded, part),
            ]
            rejections = sorted([*rejections, *found_now])
        found.append(Receipt(inserted, duplicates, conflicts, rejections))
        start += length
    return found


def _closed(decoded: Decoded, outcomes: UInt8) -> list[Rejection]:
    rows = np.flatnonzero(outcomes == Outcome.CLOSED_DATASET)
    files = np.asarray(decoded.file_index)[rows]
    return [
        Rejection(
            position,
            Reason.CLOSED_DATASET,
            told(
                "DATASET_CLOSED",
                "{dataset} is frozen or retired and takes no new events",
                dataset=_dataset(decoded.files[file]),
            ),
        )
        for position, file in zip(_positions(decoded, rows), files.tolist(), strict=True)
    ]


_COLLECTION_REASONS = {
    Outcome.UNKNOWN_COLLECTION: (
        Reason.UNKNOWN_COLLECTION,
        "COLLECTION_UNKNOWN",
        "is not in the index",
    ),
    Outcome.CLOSED_COLLECTION: (
        Reason.CLOSED_COLLECTION,
        "COLLECTION_CLOSED",
        "is frozen or retired and takes no new events",
    ),
    Outcome.TOO_MANY_COLLECTIONS: (
        Reason.TOO_MANY_COLLECTIONS,
        "COLLECTIONS_FULL",
        "cannot be made: there are as many as EVENTINDEX_COLLECTIONS_MAX allows",
    ),
}


def _of_collections(decoded: Decoded, outcomes: UInt8) -> list[Rejection]:
    found = []
    for outcome, (reason, name, what) in _COLLECTION_REASONS.items():
        rows = np.flatnonzero(outcomes == outcome)
        for position, row in zip(_positions(decoded, rows), rows.tolist(), strict=True):
            collection = describe(decoded.collection_of(row))
            detail = told(name, f"collection {{collection}} {what}", collection=collection)
            found.append(Rejection(position, reason, detail))
    rows = np.flatnonzero(outcomes == Outcome.OTHER_COLLECTION)
    files = np.asarray(decoded.file_index)[rows].tolist()
    for position, row, file in zip(_positions(decoded, rows), rows.tolist(), files, strict=True):
        detail = told(
            "OF_OTHER_COLLECTION",
            "{dataset} belongs to another collection than {collection}",
            dataset=_dataset(decoded.files[file]),
            collection=describe(decoded.collection_of(row)),
        )
        found.append(Rejection(position, Reason.OTHER_COLLECTION, detail))
    return found


def _not_taken(decoded: Decoded, outcomes: UInt8) -> list[Rejection]:
    rows = np.flatnonzero(outcomes == CANNOT_STORE)
    return [
        Rejection(position, Reason.CANNOT_STORE, _CANNOT_STORE)
        for position in _positions(decoded, rows)
    ]


def _positions(decoded: Decoded, rows: npt.NDArray[np.intp]) -> list[int]:
    positions = rows if decoded.positions is None else np.asarray(decoded.positions)[rows]
    found: list[int] = positions.tolist()
    return found


def _dataset(file: AnyFile) -> str:
    return (
        f"dataset {file.dataset_name}" if isinstance(file, CosmicFile) else f"dsid_raw={file.dsid}"
    )
