"""What travels from a door through the pipeline and back: plain values, no I/O."""

from __future__ import annotations

import itertools
import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from event_store.model import (
    RAW_NAME,
    CosmicRecord,
    FileInfo,
    Int32,
    Int64,
    RawFile,
    UInt64,
)

# The longest MQTT packet: the limit of a broker that names none.
_PACKET_BYTES_MAX = 268_435_460
_RECEIVE_MAXIMUM = 65_535


class Door(StrEnum):
    """Where a submission came in."""

    MQTT = "mqtt"
    GRPC = "grpc"


class ClockProblem(StrEnum):
    """Why the time of a telescope's record is doubtful."""

    AHEAD = "ahead"
    NEVER_SET = "never_set"


class Reason(StrEnum):
    """Why something was refused: short codes, safe as metric labels."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    BAD_TOPIC = "bad_topic"
    WRONG_FIELDS = "wrong_fields"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    WRONG_DETECTOR = "wrong_detector"
    CLOSED_DATASET = "closed_dataset"
    CANNOT_STORE = "cannot_store"
    UNKNOWN_COLLECTION = "unknown_collection"
    CLOSED_COLLECTION = "closed_collection"
    OTHER_COLLECTION = "dataset_of_other_collection"
    TOO_MANY_COLLECTIONS = "too_many_collections"


class RefusedError(ValueError):
    """An event or a record that cannot be stored; the text names the field and the value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class MalformedBatchError(RefusedError):
    """A whole message that cannot be read; the text names the first bad index."""

    def __init__(self, detail: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(reason, detail)


class Rejection(NamedTuple):
    """One refused event: its position in the message (from 0), a code and the sentence."""

    position: int
    reason: Reason
    detail: str


class CosmicFile(NamedTuple):
    """A RAW file of a telescope: the number of its dataset is the store's to give."""

    fuid: uuid.UUID
    dataset_name: str


AnyFile: TypeAlias = RawFile | CosmicFile


def _no_piece(position: int) -> bytes:
    raise IndexError(position)


@dataclass(slots=True)
class Decoded:
    """The events of one message that may be stored, and the refused rest.

    Attributes:
        offered: events in the message, stored or refused.
        runs, events, olt, file_index: columns of one length, arrays (int64, int64, uint64, int32)
            or, for messages of few events, lists.
        files: what `file_index` counts in.
        positions: the position in the message of each kept event; None when all were kept.
        rejections: the refused events, in ascending position.
        cosmic: telescope records by index into the columns.
        repaired: records whose brackets were repaired.
        file_infos: names, sizes and checksums that came with the files.
        piece: the event at a position of the message as a payload of its own.
        collection: the name of the collection of all events, or a list with one for each.
    """

    offered: int
    runs: Int64 | list[int]
    events: Int64 | list[int]
    olt: UInt64 | list[int]
    file_index: Int32 | list[int]
    files: Sequence[AnyFile]
    positions: Int64 | list[int] | None = None
    rejections: Sequence[Rejection] = ()
    cosmic: Mapping[int, CosmicRecord] = field(default_factory=dict)
    repaired: int = 0
    file_infos: Sequence[FileInfo] = ()
    piece: Callable[[int], bytes] = _no_piece
    collection: str | list[str] = RAW_NAME

    def collection_of(self, row: int) -> str:
        """Return the name of the collection of a kept event."""
        return self.collection if isinstance(self.collection, str) else self.collection[row]

    @classmethod
    def refused(cls, error: RefusedError, payload: bytes) -> Decoded:
        """Return a whole message as one refused event."""
        return cls(
            *(1, [], [], [], [], []),
            rejections=[Rejection(0, error.reason, error.detail)],
            piece=lambda _: payload,
        )

    def part(self, first: int, last: int) -> Decoded:
        """Return the kept events `first` to `last` (exclusive), with the files that they name."""
        used, index = np.unique(np.asarray(self.file_index[first:last]), return_inverse=True)
        return replace(
            self,
            runs=self.runs[first:last],
            events=self.events[first:last],
            olt=self.olt[first:last],
            file_index=index.astype(np.int32),
            files=[self.files[number] for number in used.tolist()],
            positions=None if self.positions is None else self.positions[first:last],
            collection=(
                self.collection if isinstance(self.collection, str) else self.collection[first:last]
            ),
            cosmic={
                row - first: self.cosmic[row] for row in range(first, last) if row in self.cosmic
            },
        )


@dataclass(slots=True)
class Receipt:
    """What became of one submission, once its events are committed."""

    inserted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejections: Sequence[Rejection] = ()
    # Files whose name, size or checksum was noted before with another value.
    refused_files: int = 0
    # A position of the write-ahead log behind the commit; of gRPC's submissions.
    commit_token: str = ""


# Different in each process; an instance that starts again counts from 1.
_PROCESS = f"{random.getrandbits(48):012x}"
_numbers = itertools.count(1)
_commits = itertools.count(1)


def new_commit_id() -> str:
    """Return what the lines of the log about one more commit bear."""
    return f"{_PROCESS}-commit-{next(_commits)}"


class Submission(ABC):
    """A message or batch on its way to the store.

    `finish` is called once, from the writer thread, in the order of submission, after everything
    of the submission is committed or recorded as refused.
    """

    __slots__ = ("_number", "kind", "size_bytes", "source", "topic")
    door: Door
    # Of the call that brought it.
    traceparent = ""
    # A retained message: the broker sends it again at each subscription.
    retained = False

    def __init__(self, kind: str, topic: str, source: str, size_bytes: int) -> None:
        """`kind` is that of a payload format, see `decode.topics`."""
        self._number = next(_numbers)
        self.kind = kind
        self.topic = topic
        self.source = source
        self.size_bytes = size_bytes

    @property
    def request_id(self) -> str:
        """What the lines of the log about this submission bear."""
        return f"{_PROCESS}-{self._number}"

    @abstractmethod
    def decode(self) -> Decoded:
        """Return the events.

        Raises:
            MalformedBatchError: nothing of the message can be read.
        """

    @abstractmethod
    def payload(self) -> bytes:
        """Return the message as it came."""

    @abstractmethod
    def finish(self, receipt: Receipt) -> None:
        """Tell the sender."""

    @abstractmethod
    def abandon(self) -> None:
        """Tell the sender that the service stops before this was stored."""


@dataclass(slots=True)
class Taken:
    """A submission that the writer has taken, with what it holds.

    Of one that cannot be read that is no event, and one rejection.
    """

    submission: Submission
    decoded: Decoded


@dataclass(frozen=True, slots=True)
class Terms:
    """The properties of an MQTT 5 CONNACK; the defaults are those of the protocol.

    `session_expiry_s` is None where the broker keeps the session as long as it was asked to.
    """

    session_expiry_s: int | None = None
    maximum_qos: int = 2
    maximum_packet_bytes: int = _PACKET_BYTES_MAX
    receive_maximum: int = _RECEIVE_MAXIMUM
    shared_subscriptions: bool = True
    wildcard_subscriptions: bool = True
    retained_messages: bool = True
