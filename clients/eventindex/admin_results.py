"""What the calls that change or check the index give back, as plain values. No I/O."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from eventindex.catalogue_results import to_time
from eventindex.collection_names import RAW

if TYPE_CHECKING:
    from eventindex.v1 import admin_pb2


class DeleteProgress(NamedTuple):
    """How far the removal of a dataset's events is."""

    events_removed: int
    events_left: int


class Criterion(NamedTuple):
    """The name of a bit of `olt_result`, from a run on."""

    bit: int
    name: str
    run_first: int


class DeadLetter(NamedTuple):
    """A refused message or element. The payload is empty in lists; a cut one is not replayable.

    `detail_reason` is the code of `detail`, such as OUT_OF_RANGE, and `detail_parameters` what
    stands in it; empty where it has none.
    """

    dead_letter_id: int
    topic: str
    payload: bytes
    payload_bytes: int
    truncated: bool
    reason: str
    detail: str
    source: str
    received: datetime.datetime | None
    detail_reason: str = ""
    detail_parameters: Mapping[str, str] = MappingProxyType({})
    request_id: str = ""


class RunCheck(NamedTuple):
    """A run of a collection, counted again, and each difference from the catalogue."""

    run_number: int
    events: int
    differences: list[str]
    collection: str = RAW


class AccessToken(NamedTuple):
    """What is known of a token; nobody knows its secret but its holder. Times are UTC.

    `created_by` is the subject of who made it, `last_used` the hour of its last use or None.
    """

    token_id: str
    subject: str
    scopes: list[str]
    created: datetime.datetime | None
    expires: datetime.datetime | None
    created_by: str
    last_used: datetime.datetime | None
    revoked: bool


class DoorStatus(NamedTuple):
    """What came in at a door, "mqtt" or "grpc", since the service started, in events."""

    door: str
    received: int
    inserted: int
    duplicates: int
    conflicts: int
    rejected: int
    pending: int
    rejected_by_reason: dict[str, int]
    messages_by_kind: dict[str, int]


class DetectorStatus(NamedTuple):
    """A detector that sent messages over MQTT: when last, and whether it is silent.

    Attributes:
        longest_silence_seconds: before this one.
        silent: it sends nothing for longer than ever before.
    """

    detector_id: str
    last_heard: datetime.datetime
    longest_silence_seconds: float
    silent: bool


def to_detector_status(message: admin_pb2.DetectorStatus) -> DetectorStatus:
    """Return a detector of the wire as a value."""
    return DetectorStatus(
        message.detector_id,
        message.last_heard.ToDatetime(datetime.UTC),
        message.longest_silence_seconds,
        message.silent,
    )


def to_door_status(message: admin_pb2.DoorStatus) -> DoorStatus:
    """Return the status of a door of the wire as a value."""
    return DoorStatus(
        message.door,
        message.received,
        message.inserted,
        message.duplicates,
        message.conflicts,
        message.rejected,
        message.pending,
        dict(message.rejected_by_reason),
        dict(message.messages_by_kind),
    )


def to_criterion(message: admin_pb2.Criterion) -> Criterion:
    """Return a criterion of the wire as a value."""
    return Criterion(message.bit, message.name, message.run_first)


def to_dead_letter(message: admin_pb2.DeadLetter) -> DeadLetter:
    """Return a dead letter of the wire as a value."""
    return DeadLetter(
        message.dead_letter_id,
        message.topic,
        message.payload,
        message.payload_bytes,
        message.truncated,
        message.reason,
        message.detail,
        message.source,
        to_time(message, "received"),
        message.detail_reason,
        dict(message.detail_parameters),
        message.request_id,
    )


def to_run_check(message: admin_pb2.VerifyResponse) -> RunCheck:
    """Return the check of a run of the wire as a value."""
    return RunCheck(
        message.run_number,
        message.events,
        list(message.differences),
        message.collection or RAW,
    )


def to_access_token(message: admin_pb2.Token) -> AccessToken:
    """Return a token of the wire as a value."""
    return AccessToken(
        message.token_id,
        message.subject,
        list(message.scopes),
        to_time(message, "created"),
        to_time(message, "expires"),
        message.created_by,
        to_time(message, "last_used"),
        message.revoked,
    )


class AdminAction(NamedTuple):
    """A call that changed something, or tried to.

    Attributes:
        action_id: its number.
        began, ended: when; None while it goes on, and where the service ended meanwhile.
        subject: of the caller's token, "" where none was asked for.
        peer: the caller's address as gRPC writes it.
        method: of AdminService.
        request: what was asked for, as JSON; a long one is cut.
        outcome: "OK", "UNFINISHED", or the code and text of the error.
    """

    action_id: int
    began: datetime.datetime | None
    ended: datetime.datetime | None
    subject: str
    peer: str
    method: str
    request: str
    outcome: str


def to_admin_action(message: admin_pb2.AdminAction) -> AdminAction:
    """Return a recorded action of the wire as a value."""
    return AdminAction(
        message.action_id,
        to_time(message, "began"),
        to_time(message, "ended"),
        message.subject,
        message.peer,
        message.method,
        message.request,
        message.outcome,
    )


class FileInfo(NamedTuple):
    """What is noted of a file; "" and 0 are not known."""

    fuid_raw: str
    name: str = ""
    bytes: int = 0
    checksum: str = ""


class NotedFiles(NamedTuple):
    """How many files were noted; of the refused each with what is noted of it and stays."""

    noted: int
    unchanged: int
    replaced: int
    refused: list[tuple[FileInfo, FileInfo]]


def to_noted_files(offered: Sequence[FileInfo], message: admin_pb2.NoteFilesResponse) -> NotedFiles:
    """Return what became of files that were to be noted."""
    return NotedFiles(
        message.noted,
        message.unchanged,
        message.replaced,
        [
            (
                offered[refused.index],
                FileInfo(
                    refused.noted.fuid_raw,
                    refused.noted.name,
                    refused.noted.bytes,
                    refused.noted.checksum,
                ),
            )
            for refused in message.refused
        ],
    )
