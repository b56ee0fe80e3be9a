"""What goes into the store and what comes out: plain values, no I/O.

Columns are NumPy arrays of one length. Run and event numbers are int64 (0 to 2^63-1),
`olt_result` is uint64.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from eventindex.told import Told, reason_of

Int64: TypeAlias = npt.NDArray[np.int64]
UInt64: TypeAlias = npt.NDArray[np.uint64]
Int32: TypeAlias = npt.NDArray[np.int32]
UInt8: TypeAlias = npt.NDArray[np.uint8]

NUMBER_MAX = 2**63 - 1
DSID_MAX = 2**31 - 1
COSMIC_DSID_FIRST = 2**30
# The number of the collection that is always there, and its name.
RAW = 0
RAW_NAME = "raw"
# 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what PostgreSQL, Python and protobuf all hold.
UNIX_MIN_S, UNIX_MAX_S = -62_135_596_800, 253_402_300_799


class RawFile(NamedTuple):
    """A RAW file as the index knows it: its id and the dataset it was announced with."""

    fuid: uuid.UUID
    dsid: int


class FileInfo(NamedTuple):
    """What a file is called in its storage, its size and checksum; "" and 0 are not known."""

    fuid: uuid.UUID
    name: str = ""
    bytes: int = 0
    checksum: str = ""


class DatasetState(IntEnum):
    """Whether a dataset takes new events; the numbers are those of the wire contract."""

    OPEN = 1
    FROZEN = 2
    RETIRED = 3


class Outcome(IntEnum):
    """What became of an offered event."""

    INSERTED = 0
    DUPLICATE = 1
    CONFLICT = 2
    # Refused: its dataset is frozen or retired.
    CLOSED_DATASET = 3
    # Refused: its dataset is another collection's.
    OTHER_COLLECTION = 4
    # Refused: its collection is frozen or retired.
    CLOSED_COLLECTION = 5
    # Refused: there is no collection of this name.
    UNKNOWN_COLLECTION = 6
    # Refused: the telescope has no collection yet, and no more may be made.
    TOO_MANY_COLLECTIONS = 7


@dataclass(frozen=True, slots=True)
class CosmicRecord:
    """The telescope's full record of one event.

    `payload` is the record as it came (bytes), `canonical` the same record as JSON with sorted
    keys: two records are equal when these are. `clock_problem` is "", "ahead" or "never_set".
    """

    detector_id: str
    payload: bytes
    canonical: bytes
    repaired: bool
    unix_seconds: int | None = None
    format: int | None = None
    cosmic_block: int | None = None
    trigger_bits: int | None = None
    tdc: Mapping[str, object] | None = None
    clock_count: int | None = None
    trigger_counter: int | None = None
    epoch: int | None = None
    counter_clocks: int | None = None
    event_counter: int | None = None
    clock_problem: str = ""


@dataclass(frozen=True, slots=True)
class EventColumns:
    """A batch of validated events, n of them, as columns of length n.

    Attributes:
        runs, events: int64.
        olt: uint64.
        file_index: int32, index into `files`.
        files: the RAW files of the batch; a repeated file is allowed.
        source_index: int32, index into `sources`: who offered the event, for the conflicts.
        cosmic: telescope records by position in the columns.
        collection: the number of the collection that all events belong to.
    """

    runs: Int64
    events: Int64
    olt: UInt64
    file_index: Int32
    files: Sequence[RawFile]
    source_index: Int32
    sources: Sequence[str]
    cosmic: Mapping[int, CosmicRecord] = field(default_factory=dict)
    collection: int = RAW

    def __len__(self) -> int:
        return len(self.runs)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused message or element.

    `reason` is a short code that is safe as a metric label, `detail` the sentence that names the
    field and the value. A payload longer than the message limit arrives cut, with `truncated`. One
    to be kept `once` is of a retained message, which comes again at each subscription. The log has
    the `request_id` too. In texts escapes stand for what PostgreSQL does not take: NUL, and half of
    a surrogate pair.
    """

    topic: str
    payload: bytes
    reason: str
    detail: str
    source: str
    truncated: bool = False
    once: bool = False
    request_id: str = ""

    def __post_init__(self) -> None:
        for name in ("topic", "detail", "source"):
            text = getattr(self, name)
            reason, parameters = reason_of(text)
            clean = _storable(text)
            if reason:
                kept = {key: _storable(value) for key, value in parameters.items()}
                clean = Told(clean, reason, kept)
            object.__setattr__(self, name, clean)


def _storable(text: str) -> str:
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def fuid_text(fuid: bytes) -> str:
    """Return the canonical text of a RAW file id of 16 bytes."""
    digits = fuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def signed(bits: int) -> int:
    """Return 64 unsigned bits as PostgreSQL's bigint holds them: two's complement."""
    return bits - (1 << 64) if bits >= 1 << 63 else bits


def unsigned(bits: int) -> int:
    """Return the 64 bits that PostgreSQL's bigint holds, without a sign."""
    return bits % (1 << 64)
