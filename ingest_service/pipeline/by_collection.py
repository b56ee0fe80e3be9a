"""The collection of each event, and a batch of several collections cut into one of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from event_store.model import RAW_NAME, EventColumns, Outcome
from event_store.write.cosmic_datasets import CosmicDataset
from ingest_service.model import CosmicFile, Decoded

# In the place of a number, where an event has no collection.
UNKNOWN, TOO_MANY = -1, -2
REFUSED = {UNKNOWN: Outcome.UNKNOWN_COLLECTION, TOO_MANY: Outcome.TOO_MANY_COLLECTIONS}


def is_raw(decoded: Decoded) -> bool:
    """Return whether all events of a message are of 'raw'."""
    return decoded.collection == RAW_NAME


def names_of(items: Sequence[Decoded]) -> set[str]:
    """Return the names of the collections of messages, without those of telescopes."""
    names: set[str] = set()
    for item in items:
        if isinstance(item.collection, str):
            names.add(item.collection)
        elif not item.cosmic:
            names.update(item.collection)
    return names


def numbers_of(
    decoded: Decoded, named: Mapping[str, int], datasets: Mapping[str, CosmicDataset]
) -> list[int]:
    """Return the number of the collection of each event of a message.

    Args:
        decoded: the message. A telescope's event goes where its dataset is: a run that was begun
            in 'raw' goes on there.
        named: the numbers of collections.
        datasets: those of telescopes.
    """
    if isinstance(decoded.collection, str):
        return [named.get(decoded.collection, UNKNOWN)] * len(decoded.runs)
    if not decoded.cosmic:
        return [named.get(name, UNKNOWN) for name in decoded.collection]
    of_file = [
        datasets[file.dataset_name].collection
        if isinstance(file, CosmicFile) and file.dataset_name in datasets
        else TOO_MANY
        for file in decoded.files
    ]
    return [of_file[index] for index in np.asarray(decoded.file_index).tolist()]


def by_collection(
    columns: EventColumns, numbers: Sequence[int]
) -> Iterator[tuple[int, EventColumns, npt.NDArray[np.intp]]]:
    """Return the events of each collection, in their order, and their places in the batch.

    Args:
        columns: the batch.
        numbers: the collection of each event.
    """
    of_event = np.array(numbers, np.int64)
    for number in np.unique(of_event).tolist():
        rows = np.flatnonzero(of_event == number)
        part = columns if len(rows) == len(columns) else _take(columns, rows)
        yield number, replace(part, collection=number), rows


def _take(columns: EventColumns, rows: npt.NDArray[np.intp]) -> EventColumns:
    cosmic = {}
    if columns.cosmic:
        places = {row: place for place, row in enumerate(rows.tolist())}
        cosmic = {places[row]: one for row, one in columns.cosmic.items() if row in places}
    return replace(
        columns,
        runs=columns.runs[rows],
        events=columns.events[rows],
        olt=columns.olt[rows],
        file_index=columns.file_index[rows],
        source_index=columns.source_index[rows],
        cosmic=cosmic,
    )
