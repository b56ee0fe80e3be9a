import datetime

from eventindex.v1 import event_pb2 as _event_pb2
from eventindex.v1 import ingest_pb2 as _ingest_pb2
from eventindex.v1 import lookup_pb2 as _lookup_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConflictResolution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONFLICT_RESOLUTION_UNSPECIFIED: _ClassVar[ConflictResolution]
    CONFLICT_RESOLUTION_KEEP: _ClassVar[ConflictResolution]
    CONFLICT_RESOLUTION_REPLACE: _ClassVar[ConflictResolution]
CONFLICT_RESOLUTION_UNSPECIFIED: ConflictResolution
CONFLICT_RESOLUTION_KEEP: ConflictResolution
CONFLICT_RESOLUTION_REPLACE: ConflictResolution

class UpdateDatasetRequest(_message.Message):
    __slots__ = ("dsid_raw", "name", "state", "comment")
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    dsid_raw: int
    name: str
    state: _event_pb2.DatasetState
    comment: str
    def __init__(self, dsid_raw: _Optional[int] = ..., name: _Optional[str] = ..., state: _Optional[_Union[_event_pb2.DatasetState, str]] = ..., comment: _Optional[str] = ...) -> None: ...

class UpdateDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: _lookup_pb2.Dataset
    def __init__(self, dataset: _Optional[_Union[_lookup_pb2.Dataset, _Mapping]] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("dsid_raw",)
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    dsid_raw: int
    def __init__(self, dsid_raw: _Optional[int] = ...) -> None: ...

class DeleteDatasetResponse(_message.Message):
    __slots__ = ("events_removed", "events_left")
    EVENTS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_LEFT_FIELD_NUMBER: _ClassVar[int]
    events_removed: int
    events_left: int
    def __init__(self, events_removed: _Optional[int] = ..., events_left: _Optional[int] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("name", "made_from", "comment")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MADE_FROM_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    made_from: str
    comment: str
    def __init__(self, name: _Optional[str] = ..., made_from: _Optional[str] = ..., comment: _Optional[str] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: _lookup_pb2.Collection
    def __init__(self, collection: _Optional[_Union[_lookup_pb2.Collection, _Mapping]] = ...) -> None: ...

class UpdateCollectionRequest(_message.Message):
    __slots__ = ("name", "state", "comment")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: _event_pb2.DatasetState
    comment: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[_event_pb2.DatasetState, str]] = ..., comment: _Optional[str] = ...) -> None: ...

class UpdateCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: _lookup_pb2.Collection
    def __init__(self, collection: _Optional[_Union[_lookup_pb2.Collection, _Mapping]] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ("events_removed", "events_left", "name")
    EVENTS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_LEFT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    events_removed: int
    events_left: int
    name: str
    def __init__(self, events_removed: _Optional[int] = ..., events_left: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class ResolveConflictRequest(_message.Message):
    __slots__ = ("conflict_id", "resolution", "resolved_by")
    CONFLICT_ID_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    conflict_id: int
    resolution: ConflictResolution
    resolved_by: str
    def __init__(self, conflict_id: _Optional[int] = ..., resolution: _Optional[_Union[ConflictResolution, str]] = ..., resolved_by: _Optional[str] = ...) -> None: ...

class ResolveConflictResponse(_message.Message):
    __slots__ = ("conflict",)
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    conflict: _lookup_pb2.Conflict
    def __init__(self, conflict: _Optional[_Union[_lookup_pb2.Conflict, _Mapping]] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("bit", "name", "run_first")
    BIT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    bit: int
    name: str
    run_first: int
    def __init__(self, bit: _Optional[int] = ..., name: _Optional[str] = ..., run_first: _Optional[int] = ...) -> None: ...

class ListCriteriaRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCriteriaResponse(_message.Message):
    __slots__ = ("criteria",)
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    criteria: _containers.RepeatedCompositeFieldContainer[Criterion]
    def __init__(self, criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ...) -> None: ...

class SetCriterionRequest(_message.Message):
    __slots__ = ("criterion",)
    CRITERION_FIELD_NUMBER: _ClassVar[int]
    criterion: Criterion
    def __init__(self, criterion: _Optional[_Union[Criterion, _Mapping]] = ...) -> None: ...

class SetCriterionResponse(_message.Message):
    __slots__ = ("criterion",)
    CRITERION_FIELD_NUMBER: _ClassVar[int]
    criterion: Criterion
    def __init__(self, criterion: _Optional[_Union[Criterion, _Mapping]] = ...) -> None: ...

class DeleteCriterionRequest(_message.Message):
    __slots__ = ("bit", "run_first")
    BIT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    bit: int
    run_first: int
    def __init__(self, bit: _Optional[int] = ..., run_first: _Optional[int] = ...) -> None: ...

class DeleteCriterionResponse(_message.Message):
    __slots__ = ("criteria",)
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    criteria: _containers.RepeatedCompositeFieldContainer[Criterion]
    def __init__(self, criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("dead_letter_id", "topic", "payload", "payload_bytes", "truncated", "reason", "detail", "source", "received", "detail_reason", "detail_parameters", "request_id")
    class DetailParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: int
    topic: str
    payload: bytes
    payload_bytes: int
    truncated: bool
    reason: str
    detail: str
    source: str
    received: _timestamp_pb2.Timestamp
    detail_reason: str
    detail_parameters: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, dead_letter_id: _Optional[int] = ..., topic: _Optional[str] = ..., payload: _Optional[bytes] = ..., payload_bytes: _Optional[int] = ..., truncated: _Optional[bool] = ..., reason: _Optional[str] = ..., detail: _Optional[str] = ..., source: _Optional[str] = ..., received: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detail_reason: _Optional[str] = ..., detail_parameters: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "reason", "topic")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    reason: str
    topic: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., reason: _Optional[str] = ..., topic: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("dead_letters", "next_page_token")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    next_page_token: str
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AdminAction(_message.Message):
    __slots__ = ("action_id", "began", "ended", "subject", "peer", "method", "request", "outcome")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    action_id: int
    began: _timestamp_pb2.Timestamp
    ended: _timestamp_pb2.Timestamp
    subject: str
    peer: str
    method: str
    request: str
    outcome: str
    def __init__(self, action_id: _Optional[int] = ..., began: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subject: _Optional[str] = ..., peer: _Optional[str] = ..., method: _Optional[str] = ..., request: _Optional[str] = ..., outcome: _Optional[str] = ...) -> None: ...

class ListAdminActionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "subject", "method")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    subject: str
    method: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., subject: _Optional[str] = ..., method: _Optional[str] = ...) -> None: ...

class ListAdminActionsResponse(_message.Message):
    __slots__ = ("actions", "next_page_token")
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    actions: _containers.RepeatedCompositeFieldContainer[AdminAction]
    next_page_token: str
    def __init__(self, actions: _Optional[_Iterable[_Union[AdminAction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id",)
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: int
    def __init__(self, dead_letter_id: _Optional[int] = ...) -> None: ...

class GetDeadLetterResponse(_message.Message):
    __slots__ = ("dead_letter",)
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    dead_letter: DeadLetter
    def __init__(self, dead_letter: _Optional[_Union[DeadLetter, _Mapping]] = ...) -> None: ...

class ReplayDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id",)
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: int
    def __init__(self, dead_letter_id: _Optional[int] = ...) -> None: ...

class ReplayDeadLetterResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: _ingest_pb2.IngestAck
    def __init__(self, outcome: _Optional[_Union[_ingest_pb2.IngestAck, _Mapping]] = ...) -> None: ...

class DiscardDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id",)
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: int
    def __init__(self, dead_letter_id: _Optional[int] = ...) -> None: ...

class DiscardDeadLetterResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("run_first", "run_last")
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    run_first: int
    run_last: int
    def __init__(self, run_first: _Optional[int] = ..., run_last: _Optional[int] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("run_number", "events", "differences", "collection")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    events: int
    differences: _containers.RepeatedScalarFieldContainer[str]
    collection: str
    def __init__(self, run_number: _Optional[int] = ..., events: _Optional[int] = ..., differences: _Optional[_Iterable[str]] = ..., collection: _Optional[str] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("token_id", "subject", "scopes", "created", "expires", "revoked", "created_by", "last_used")
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    subject: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    created: _timestamp_pb2.Timestamp
    expires: _timestamp_pb2.Timestamp
    revoked: bool
    created_by: str
    last_used: _timestamp_pb2.Timestamp
    def __init__(self, token_id: _Optional[str] = ..., subject: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked: _Optional[bool] = ..., created_by: _Optional[str] = ..., last_used: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ("subject", "scopes", "lifetime_seconds")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    subject: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    lifetime_seconds: int
    def __init__(self, subject: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., lifetime_seconds: _Optional[int] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ("token", "secret")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    token: Token
    secret: str
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTokensResponse(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    def __init__(self, tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ...) -> None: ...

class NoteFilesRequest(_message.Message):
    __slots__ = ("files", "replace", "replaced_by")
    FILES_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[_event_pb2.RawFile]
    replace: bool
    replaced_by: str
    def __init__(self, files: _Optional[_Iterable[_Union[_event_pb2.RawFile, _Mapping]]] = ..., replace: _Optional[bool] = ..., replaced_by: _Optional[str] = ...) -> None: ...

class RefusedFile(_message.Message):
    __slots__ = ("index", "noted")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NOTED_FIELD_NUMBER: _ClassVar[int]
    index: int
    noted: _event_pb2.RawFile
    def __init__(self, index: _Optional[int] = ..., noted: _Optional[_Union[_event_pb2.RawFile, _Mapping]] = ...) -> None: ...

class NoteFilesResponse(_message.Message):
    __slots__ = ("noted", "unchanged", "replaced", "refused")
    NOTED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    noted: int
    unchanged: int
    replaced: int
    refused: _containers.RepeatedCompositeFieldContainer[RefusedFile]
    def __init__(self, noted: _Optional[int] = ..., unchanged: _Optional[int] = ..., replaced: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[RefusedFile, _Mapping]]] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ("token_id",)
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    token_id: str
    def __init__(self, token_id: _Optional[str] = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: Token
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ...) -> None: ...

class IngestStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IngestStatusResponse(_message.Message):
    __slots__ = ("doors", "version", "detectors")
    DOORS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    doors: _containers.RepeatedCompositeFieldContainer[DoorStatus]
    version: str
    detectors: _containers.RepeatedCompositeFieldContainer[DetectorStatus]
    def __init__(self, doors: _Optional[_Iterable[_Union[DoorStatus, _Mapping]]] = ..., version: _Optional[str] = ..., detectors: _Optional[_Iterable[_Union[DetectorStatus, _Mapping]]] = ...) -> None: ...

class DetectorStatus(_message.Message):
    __slots__ = ("detector_id", "last_heard", "longest_silence_seconds", "silent")
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_HEARD_FIELD_NUMBER: _ClassVar[int]
    LONGEST_SILENCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    detector_id: str
    last_heard: _timestamp_pb2.Timestamp
    longest_silence_seconds: float
    silent: bool
    def __init__(self, detector_id: _Optional[str] = ..., last_heard: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., longest_silence_seconds: _Optional[float] = ..., silent: _Optional[bool] = ...) -> None: ...

class DoorStatus(_message.Message):
    __slots__ = ("door", "received", "inserted", "duplicates", "conflicts", "rejected", "pending", "rejected_by_reason", "messages_by_kind")
    class RejectedByReasonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class MessagesByKindEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DOOR_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    INSERTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    REJECTED_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_BY_KIND_FIELD_NUMBER: _ClassVar[int]
    door: str
    received: int
    inserted: int
    duplicates: int
    conflicts: int
    rejected: int
    pending: int
    rejected_by_reason: _containers.ScalarMap[str, int]
    messages_by_kind: _containers.ScalarMap[str, int]
    def __init__(self, door: _Optional[str] = ..., received: _Optional[int] = ..., inserted: _Optional[int] = ..., duplicates: _Optional[int] = ..., conflicts: _Optional[int] = ..., rejected: _Optional[int] = ..., pending: _Optional[int] = ..., rejected_by_reason: _Optional[_Mapping[str, int]] = ..., messages_by_kind: _Optional[_Mapping[str, int]] = ...) -> None: ...
