"""A batch of several collections cut into one of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from event_store.model import EventColumns
from ingest_service.model import Decoded


def names_of(decoded: Decoded) -> list[str]:
    """Return the name of the collection of each event of a message."""
    if isinstance(decoded.collection, str):
        return [decoded.collection] * len(decoded.runs)
    return decoded.collection


def by_collection(
    columns: EventColumns, names: Sequence[str]
) -> Iterator[tuple[str, EventColumns, npt.NDArray[np.intp]]]:
    """Return the events of each collection, in their order, and their places in the batch.

    Args:
        columns: the batch.
        names: the collection of each event.
    """
    numbers: dict[str, int] = {}
    of_event = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)
    for name, number in numbers.items():
        rows = np.flatnonzero(of_event == number)
        if len(rows) == len(columns):
            yield name, columns, rows
            continue
        yield name, _take(columns, rows), rows


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
