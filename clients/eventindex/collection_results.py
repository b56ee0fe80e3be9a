"""Collections as plain values. No I/O."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from eventindex.catalogue_results import to_time
from eventindex.values import DatasetState

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from eventindex.v1 import lookup_pb2


class Collection(NamedTuple):
    """A collection of the index; `made_from` is the name of another one or "".

    `detector_id` is the telescope whose collection it is, else "".
    """

    name: str
    made_from: str
    state: DatasetState
    events: int
    runs: int
    created: datetime.datetime | None
    comment: str
    detector_id: str = ""


class CollectionOverlap(NamedTuple):
    """How many events collections have in common: int64 of shape (n, n), by name in their order.

    `by_run` has a matrix for each run, if asked for.
    """

    collections: list[str]
    events: npt.NDArray[np.int64]
    by_run: dict[int, npt.NDArray[np.int64]]


def to_collection(message: lookup_pb2.Collection) -> Collection:
    """Return a collection of the wire as a value."""
    return Collection(
        message.name,
        message.made_from,
        DatasetState(message.state),
        message.events,
        message.runs,
        to_time(message, "created"),
        message.comment,
        message.detector_id,
    )
