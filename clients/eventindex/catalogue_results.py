"""What the lists of the index give back, as plain values. Times are UTC. No I/O."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from eventindex.choices import CountChoice
from eventindex.collection_names import RAW
from eventindex.values import DatasetState, Event, RawFile, to_file

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from eventindex.v1 import event_pb2, lookup_pb2


class CosmicCountBy(CountChoice):
    """What to count telescope events by."""

    RUN = "run"
    BLOCK = "block"
    HOUR = "hour"
    DETECTOR = "detector"


class Dataset(NamedTuple):
    """A dataset of the index."""

    dsid_raw: int
    name: str
    state: DatasetState
    comment: str
    created: datetime.datetime | None
    events: int
    files: int
    collection: str = RAW


class FileOfRun(NamedTuple):
    """A RAW file and what the index holds of it in one run."""

    file: RawFile
    run_number: int
    events: int
    event_first: int
    event_last: int
    collection: str = RAW


class Conflict(NamedTuple):
    """An event that was offered again with other values.

    `stored_record` and `offered_record` are telescope records as JSON, empty where they are the
    same. `resolution` is "", "kept" or "replaced".
    """

    conflict_id: int
    stored: Event
    offered: Event
    source: str
    first_seen: datetime.datetime | None
    last_seen: datetime.datetime | None
    times: int
    stored_record: str
    offered_record: str
    resolution: str
    resolved_by: str
    resolved: datetime.datetime | None
    collection: str = RAW


class TdcChannel(NamedTuple):
    """One channel of a telescope's time-to-digital converter."""

    data: tuple[int, ...]
    calib: tuple[int, ...]
    calib1: int | None
    calib2: int | None


class CosmicEvent(NamedTuple):
    """The full record of a telescope event; None is what the detector left out or sent as null.

    `time` is the detector's clock as UTC, `payload` the record as JSON, `repaired` whether the
    line came in brackets, `clock_problem` why the time is doubtful: "", "ahead" (by more than a
    day) or "never_set".
    """

    run_number: int
    event_number: int
    detector_id: str
    time: datetime.datetime | None
    format: int | None
    cosmic_block: int | None
    trigger_bits: int | None
    tdc: dict[str, TdcChannel]
    clock_count: int | None
    trigger_counter: int | None
    epoch: int | None
    counter_clocks: int | None
    event_counter: int | None
    payload: str
    repaired: bool
    fuid_raw: str
    dsid_raw: int
    clock_problem: str


class CosmicCount(NamedTuple):
    """A number of telescope events and what they have in common; the rest is None."""

    events: int
    detector_id: str | None = None
    run_number: int | None = None
    cosmic_block: int | None = None
    hour: datetime.datetime | None = None


class CosmicCounts(NamedTuple):
    """The number of telescope events, and the parts that were asked for."""

    total: int
    counts: list[CosmicCount]


def to_dataset(message: lookup_pb2.Dataset) -> Dataset:
    """Return a dataset of the wire as a value."""
    return Dataset(
        message.dsid_raw,
        message.name,
        DatasetState(message.state),
        message.comment,
        to_time(message, "created"),
        message.events,
        message.files,
        message.collection or RAW,
    )


def to_file_of_run(message: lookup_pb2.FileOfRun) -> FileOfRun:
    """Return a file of a run of the wire as a value."""
    return FileOfRun(
        to_file(message.file),
        message.run_number,
        message.events,
        message.event_first,
        message.event_last,
        message.collection or RAW,
    )


def to_conflict(message: lookup_pb2.Conflict) -> Conflict:
    """Return a conflict of the wire as a value."""
    return Conflict(
        message.conflict_id,
        _event(message.stored),
        _event(message.offered),
        message.source,
        to_time(message, "first_seen"),
        to_time(message, "last_seen"),
        message.times,
        message.stored_record,
        message.offered_record,
        message.resolution,
        message.resolved_by,
        to_time(message, "resolved"),
        message.collection or RAW,
    )


def to_cosmic_event(message: event_pb2.CosmicEvent) -> CosmicEvent:
    """Return a telescope event of the wire as a value."""
    seconds = _optional(message, "unix_seconds")
    return CosmicEvent(
        message.run_number,
        message.event_number,
        message.detector_id,
        None if seconds is None else _from_seconds(seconds),
        _optional(message, "format"),
        _optional(message, "cosmic_block"),
        _optional(message, "trigger_bits"),
        {name: _channel(channel) for name, channel in sorted(message.tdc.items())},
        _optional(message, "clock_count"),
        _optional(message, "trigger_counter"),
        _optional(message, "epoch"),
        _optional(message, "counter_clocks"),
        _optional(message, "event_counter"),
        message.payload,
        message.repaired,
        message.fuid_raw,
        message.dsid_raw,
        message.clock_problem,
    )


def to_cosmic_counts(message: lookup_pb2.CountCosmicEventsResponse) -> CosmicCounts:
    """Return counts of telescope events of the wire as values."""
    return CosmicCounts(
        message.total,
        [
            CosmicCount(
                count.events,
                count.detector_id if count.HasField("detector_id") else None,
                _optional(count, "run_number"),
                _optional(count, "cosmic_block"),
                to_time(count, "hour"),
            )
            for count in message.counts
        ],
    )


def to_time(message: Message, field: str) -> datetime.datetime | None:
    """Return a time of the wire, UTC; None where it is not set."""
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(datetime.UTC) if message.HasField(field) else None


def _event(message: event_pb2.Event) -> Event:
    file = RawFile(message.fuid_raw, message.dsid_raw)
    return Event(message.run_number, message.event_number, message.olt_result, file)


def _channel(message: event_pb2.TdcChannel) -> TdcChannel:
    return TdcChannel(
        tuple(message.data),
        tuple(message.calib),
        _optional(message, "calib1"),
        _optional(message, "calib2"),
    )


def _optional(message: Message, field: str) -> int | None:
    value: int = getattr(message, field)
    return value if message.HasField(field) else None


def _from_seconds(seconds: int) -> datetime.datetime | None:
    """Return a time; None where a broken clock counts beyond what a calendar has."""
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
            seconds=seconds
        )
    except OverflowError:
        return None
