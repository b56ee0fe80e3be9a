"""Runs and the event numbers that they lack, as plain values. No I/O."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from eventindex.collection_names import RAW

if TYPE_CHECKING:
    from eventindex.v1 import lookup_pb2


class Run(NamedTuple):
    """One run of the index. Times are UTC; `detector_id` is empty unless a telescope sent it."""

    run_number: int
    events: int
    event_first: int
    event_last: int
    files: int
    conflicts: int
    first_seen: datetime.datetime
    last_seen: datetime.datetime
    detector_id: str
    collection: str = RAW


class EventGap(NamedTuple):
    """Consecutive event numbers that the index does not hold."""

    event_first: int
    event_last: int

    @property
    def missing(self) -> int:
        """How many there are."""
        return self.event_last - self.event_first + 1


class EventBin(NamedTuple):
    """A part of a run's event numbers, and how many of them the index holds."""

    event_first: int
    event_last: int
    events: int


class RunGaps(NamedTuple):
    """What is missing between the first and the last event of a run.

    `missing` event numbers in `gaps` gaps, of which `widest` are the widest; `bins` is the range
    in up to 100 equal parts.
    """

    event_first: int
    event_last: int
    events: int
    missing: int
    gaps: int
    widest: list[EventGap]
    bins: list[EventBin]


def to_run(message: lookup_pb2.Run) -> Run:
    """Return a run of the wire as a value."""
    return Run(
        message.run_number,
        message.events,
        message.event_first,
        message.event_last,
        message.files,
        message.conflicts,
        message.first_seen.ToDatetime(datetime.UTC),
        message.last_seen.ToDatetime(datetime.UTC),
        message.detector_id,
        message.collection or RAW,
    )


def to_run_gaps(message: lookup_pb2.RunGapsResponse) -> RunGaps:
    """Turn a message into what is missing of a run."""
    return RunGaps(
        message.event_first,
        message.event_last,
        message.events,
        message.missing,
        message.gaps,
        [EventGap(gap.first, gap.last) for gap in message.widest],
        [EventBin(part.first, part.last, part.events) for part in message.bins],
    )


class IndexStatus(NamedTuple):
    """What the index holds in all, and the version of its service.

    `last_seen` (UTC) is when the last event came in, None without one; `bytes` is what the tables
    take on disk. `shards` are the parts of each table by run on a cluster of databases, `nodes`
    those that hold them; 0 on one server.
    """

    version: str
    events: int
    runs: int
    datasets: int
    collections: int
    last_seen: datetime.datetime | None
    bytes: int
    files: int = 0
    shards: int = 0
    nodes: int = 0


def to_index_status(message: lookup_pb2.IndexStatusResponse) -> IndexStatus:
    """Return the totals of the wire as a value."""
    return IndexStatus(
        message.version,
        message.events,
        message.runs,
        message.datasets,
        message.collections,
        message.last_seen.ToDatetime(datetime.UTC) if message.HasField("last_seen") else None,
        message.bytes,
        message.files,
        message.shards,
        message.nodes,
    )
