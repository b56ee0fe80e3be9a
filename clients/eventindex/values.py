"""Values of answers: events, files, what became of a batch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventindex.v1 import event_pb2


class DatasetState(IntEnum):
    """Whether a dataset takes new events; the numbers are those of the wire contract."""

    UNKNOWN = 0
    OPEN = 1
    FROZEN = 2
    RETIRED = 3

    @classmethod
    def _missing_(cls, _value: object) -> DatasetState:
        return cls.UNKNOWN


class RawFile(NamedTuple):
    """A RAW file: its UUID as text, its dataset, and the dataset's state at the time of asking.

    Where names were asked for, `name`, `bytes` and `checksum` are what is noted of it and `url` is
    where a job finds it; "" and 0 are not known.
    """

    fuid_raw: str
    dsid_raw: int
    dataset_state: DatasetState = DatasetState.UNKNOWN
    name: str = ""
    bytes: int = 0
    checksum: str = ""
    url: str = ""


class Event(NamedTuple):
    """One event of the index."""

    run_number: int
    event_number: int
    olt_result: int
    file: RawFile


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not stored: its index in the batch, from 0, and why."""

    index: int
    reason: str


class Ack(NamedTuple):
    """A batch is committed; what became of its events.

    `refused_files` are those with another name, size or checksum than was noted before. A lookup
    that hands `commit_token` back finds the events on a replica too.
    """

    inserted: int
    duplicates: int
    conflicts: int
    rejected: int
    rejections: tuple[Rejection, ...]
    refused_files: int = 0
    commit_token: str = ""


def to_file(message: event_pb2.RawFile) -> RawFile:
    """Return a file of the wire as a value."""
    return RawFile(
        message.fuid_raw,
        message.dsid_raw,
        DatasetState(message.dataset_state),
        message.name,
        message.bytes,
        message.checksum,
        message.url,
    )
