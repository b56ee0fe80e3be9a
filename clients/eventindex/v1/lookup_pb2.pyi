import datetime

from eventindex.v1 import event_pb2 as _event_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CountBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUNT_BY_UNSPECIFIED: _ClassVar[CountBy]
    COUNT_BY_RUN: _ClassVar[CountBy]
    COUNT_BY_DATASET: _ClassVar[CountBy]
    COUNT_BY_FILE: _ClassVar[CountBy]
    COUNT_BY_OLT_BIT: _ClassVar[CountBy]
    COUNT_BY_OLT_BIT_PAIR: _ClassVar[CountBy]

class CosmicCountBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COSMIC_COUNT_BY_UNSPECIFIED: _ClassVar[CosmicCountBy]
    COSMIC_COUNT_BY_RUN: _ClassVar[CosmicCountBy]
    COSMIC_COUNT_BY_BLOCK: _ClassVar[CosmicCountBy]
    COSMIC_COUNT_BY_HOUR: _ClassVar[CosmicCountBy]
    COSMIC_COUNT_BY_DETECTOR: _ClassVar[CosmicCountBy]
COUNT_BY_UNSPECIFIED: CountBy
COUNT_BY_RUN: CountBy
COUNT_BY_DATASET: CountBy
COUNT_BY_FILE: CountBy
COUNT_BY_OLT_BIT: CountBy
COUNT_BY_OLT_BIT_PAIR: CountBy
COSMIC_COUNT_BY_UNSPECIFIED: CosmicCountBy
COSMIC_COUNT_BY_RUN: CosmicCountBy
COSMIC_COUNT_BY_BLOCK: CosmicCountBy
COSMIC_COUNT_BY_HOUR: CosmicCountBy
COSMIC_COUNT_BY_DETECTOR: CosmicCountBy

class LookupRequest(_message.Message):
    __slots__ = ("batch_id", "run_numbers", "event_numbers", "with_olt_result", "collection", "files_of_stream", "commit_token", "with_file_names")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    WITH_OLT_RESULT_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILES_OF_STREAM_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITH_FILE_NAMES_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    run_numbers: _containers.RepeatedScalarFieldContainer[int]
    event_numbers: _containers.RepeatedScalarFieldContainer[int]
    with_olt_result: bool
    collection: str
    files_of_stream: bool
    commit_token: str
    with_file_names: bool
    def __init__(self, batch_id: _Optional[int] = ..., run_numbers: _Optional[_Iterable[int]] = ..., event_numbers: _Optional[_Iterable[int]] = ..., with_olt_result: _Optional[bool] = ..., collection: _Optional[str] = ..., files_of_stream: _Optional[bool] = ..., commit_token: _Optional[str] = ..., with_file_names: _Optional[bool] = ...) -> None: ...

class LookupResponse(_message.Message):
    __slots__ = ("batch_id", "files", "file_indexes", "olt_results", "found", "not_found", "first_file_index", "other_collections")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_INDEXES_FIELD_NUMBER: _ClassVar[int]
    OLT_RESULTS_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_FIELD_NUMBER: _ClassVar[int]
    FIRST_FILE_INDEX_FIELD_NUMBER: _ClassVar[int]
    OTHER_COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    files: _containers.RepeatedCompositeFieldContainer[_event_pb2.RawFile]
    file_indexes: _containers.RepeatedScalarFieldContainer[int]
    olt_results: _containers.RepeatedScalarFieldContainer[int]
    found: int
    not_found: int
    first_file_index: int
    other_collections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, batch_id: _Optional[int] = ..., files: _Optional[_Iterable[_Union[_event_pb2.RawFile, _Mapping]]] = ..., file_indexes: _Optional[_Iterable[int]] = ..., olt_results: _Optional[_Iterable[int]] = ..., found: _Optional[int] = ..., not_found: _Optional[int] = ..., first_file_index: _Optional[int] = ..., other_collections: _Optional[_Iterable[str]] = ...) -> None: ...

class GetEventRequest(_message.Message):
    __slots__ = ("run_number", "event_number", "collection", "with_file_names")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WITH_FILE_NAMES_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    event_number: int
    collection: str
    with_file_names: bool
    def __init__(self, run_number: _Optional[int] = ..., event_number: _Optional[int] = ..., collection: _Optional[str] = ..., with_file_names: _Optional[bool] = ...) -> None: ...

class GetEventResponse(_message.Message):
    __slots__ = ("event", "file")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    file: _event_pb2.RawFile
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., file: _Optional[_Union[_event_pb2.RawFile, _Mapping]] = ...) -> None: ...

class RunRange(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class EventSelection(_message.Message):
    __slots__ = ("run_first", "run_last", "event_first", "event_last", "dsid_raw", "fuid_raw", "olt_all", "olt_any", "olt_none", "collection", "also_in", "not_in", "olt_from", "runs")
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIRST_FIELD_NUMBER: _ClassVar[int]
    EVENT_LAST_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    OLT_ALL_FIELD_NUMBER: _ClassVar[int]
    OLT_ANY_FIELD_NUMBER: _ClassVar[int]
    OLT_NONE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ALSO_IN_FIELD_NUMBER: _ClassVar[int]
    NOT_IN_FIELD_NUMBER: _ClassVar[int]
    OLT_FROM_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    run_first: int
    run_last: int
    event_first: int
    event_last: int
    dsid_raw: int
    fuid_raw: str
    olt_all: int
    olt_any: int
    olt_none: int
    collection: str
    also_in: _containers.RepeatedScalarFieldContainer[str]
    not_in: _containers.RepeatedScalarFieldContainer[str]
    olt_from: str
    runs: _containers.RepeatedCompositeFieldContainer[RunRange]
    def __init__(self, run_first: _Optional[int] = ..., run_last: _Optional[int] = ..., event_first: _Optional[int] = ..., event_last: _Optional[int] = ..., dsid_raw: _Optional[int] = ..., fuid_raw: _Optional[str] = ..., olt_all: _Optional[int] = ..., olt_any: _Optional[int] = ..., olt_none: _Optional[int] = ..., collection: _Optional[str] = ..., also_in: _Optional[_Iterable[str]] = ..., not_in: _Optional[_Iterable[str]] = ..., olt_from: _Optional[str] = ..., runs: _Optional[_Iterable[_Union[RunRange, _Mapping]]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("selection", "after_run_number", "after_event_number", "batch_events_max", "events_max", "with_file_names")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    AFTER_RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    BATCH_EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    WITH_FILE_NAMES_FIELD_NUMBER: _ClassVar[int]
    selection: EventSelection
    after_run_number: int
    after_event_number: int
    batch_events_max: int
    events_max: int
    with_file_names: bool
    def __init__(self, selection: _Optional[_Union[EventSelection, _Mapping]] = ..., after_run_number: _Optional[int] = ..., after_event_number: _Optional[int] = ..., batch_events_max: _Optional[int] = ..., events_max: _Optional[int] = ..., with_file_names: _Optional[bool] = ...) -> None: ...

class CountEventsRequest(_message.Message):
    __slots__ = ("selection", "by")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    selection: EventSelection
    by: CountBy
    def __init__(self, selection: _Optional[_Union[EventSelection, _Mapping]] = ..., by: _Optional[_Union[CountBy, str]] = ...) -> None: ...

class EventCount(_message.Message):
    __slots__ = ("events", "run_number", "dsid_raw", "fuid_raw", "olt_bit", "other_olt_bit", "olt_name", "other_olt_name")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    OLT_BIT_FIELD_NUMBER: _ClassVar[int]
    OTHER_OLT_BIT_FIELD_NUMBER: _ClassVar[int]
    OLT_NAME_FIELD_NUMBER: _ClassVar[int]
    OTHER_OLT_NAME_FIELD_NUMBER: _ClassVar[int]
    events: int
    run_number: int
    dsid_raw: int
    fuid_raw: str
    olt_bit: int
    other_olt_bit: int
    olt_name: str
    other_olt_name: str
    def __init__(self, events: _Optional[int] = ..., run_number: _Optional[int] = ..., dsid_raw: _Optional[int] = ..., fuid_raw: _Optional[str] = ..., olt_bit: _Optional[int] = ..., other_olt_bit: _Optional[int] = ..., olt_name: _Optional[str] = ..., other_olt_name: _Optional[str] = ...) -> None: ...

class CountEventsResponse(_message.Message):
    __slots__ = ("total", "counts")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    total: int
    counts: _containers.RepeatedCompositeFieldContainer[EventCount]
    def __init__(self, total: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[EventCount, _Mapping]]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_number", "events", "event_first", "event_last", "files", "conflicts", "first_seen", "last_seen", "detector_id", "collection")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIRST_FIELD_NUMBER: _ClassVar[int]
    EVENT_LAST_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    events: int
    event_first: int
    event_last: int
    files: int
    conflicts: int
    first_seen: _timestamp_pb2.Timestamp
    last_seen: _timestamp_pb2.Timestamp
    detector_id: str
    collection: str
    def __init__(self, run_number: _Optional[int] = ..., events: _Optional[int] = ..., event_first: _Optional[int] = ..., event_last: _Optional[int] = ..., files: _Optional[int] = ..., conflicts: _Optional[int] = ..., first_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detector_id: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "run_first", "run_last", "detector_id", "order_by", "collection", "run_numbers", "all_collections")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    ALL_COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    run_first: int
    run_last: int
    detector_id: str
    order_by: str
    collection: str
    run_numbers: _containers.RepeatedScalarFieldContainer[int]
    all_collections: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., run_first: _Optional[int] = ..., run_last: _Optional[int] = ..., detector_id: _Optional[str] = ..., order_by: _Optional[str] = ..., collection: _Optional[str] = ..., run_numbers: _Optional[_Iterable[int]] = ..., all_collections: _Optional[bool] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RunGapsRequest(_message.Message):
    __slots__ = ("run_number", "gaps_max", "collection")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    GAPS_MAX_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    gaps_max: int
    collection: str
    def __init__(self, run_number: _Optional[int] = ..., gaps_max: _Optional[int] = ..., collection: _Optional[str] = ...) -> None: ...

class EventRange(_message.Message):
    __slots__ = ("first", "last")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class EventBin(_message.Message):
    __slots__ = ("first", "last", "events")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    events: int
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., events: _Optional[int] = ...) -> None: ...

class RunGapsResponse(_message.Message):
    __slots__ = ("event_first", "event_last", "events", "missing", "gaps", "widest", "bins")
    EVENT_FIRST_FIELD_NUMBER: _ClassVar[int]
    EVENT_LAST_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    WIDEST_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    event_first: int
    event_last: int
    events: int
    missing: int
    gaps: int
    widest: _containers.RepeatedCompositeFieldContainer[EventRange]
    bins: _containers.RepeatedCompositeFieldContainer[EventBin]
    def __init__(self, event_first: _Optional[int] = ..., event_last: _Optional[int] = ..., events: _Optional[int] = ..., missing: _Optional[int] = ..., gaps: _Optional[int] = ..., widest: _Optional[_Iterable[_Union[EventRange, _Mapping]]] = ..., bins: _Optional[_Iterable[_Union[EventBin, _Mapping]]] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("dsid_raw", "name", "state", "comment", "created", "events", "files", "collection")
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    dsid_raw: int
    name: str
    state: _event_pb2.DatasetState
    comment: str
    created: _timestamp_pb2.Timestamp
    events: int
    files: int
    collection: str
    def __init__(self, dsid_raw: _Optional[int] = ..., name: _Optional[str] = ..., state: _Optional[_Union[_event_pb2.DatasetState, str]] = ..., comment: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[int] = ..., files: _Optional[int] = ..., collection: _Optional[str] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("dsid_raw", "name")
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dsid_raw: int
    name: str
    def __init__(self, dsid_raw: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: Dataset
    def __init__(self, dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state", "name_contains", "order_by", "collection")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _event_pb2.DatasetState
    name_contains: str
    order_by: str
    collection: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[_event_pb2.DatasetState, str]] = ..., name_contains: _Optional[str] = ..., order_by: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FileOfRun(_message.Message):
    __slots__ = ("file", "run_number", "events", "event_first", "event_last", "collection")
    FILE_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIRST_FIELD_NUMBER: _ClassVar[int]
    EVENT_LAST_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    file: _event_pb2.RawFile
    run_number: int
    events: int
    event_first: int
    event_last: int
    collection: str
    def __init__(self, file: _Optional[_Union[_event_pb2.RawFile, _Mapping]] = ..., run_number: _Optional[int] = ..., events: _Optional[int] = ..., event_first: _Optional[int] = ..., event_last: _Optional[int] = ..., collection: _Optional[str] = ...) -> None: ...

class ListFilesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "run_number", "dsid_raw", "order_by", "collection", "with_file_names", "name_pattern")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    WITH_FILE_NAMES_FIELD_NUMBER: _ClassVar[int]
    NAME_PATTERN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    run_number: int
    dsid_raw: int
    order_by: str
    collection: str
    with_file_names: bool
    name_pattern: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., run_number: _Optional[int] = ..., dsid_raw: _Optional[int] = ..., order_by: _Optional[str] = ..., collection: _Optional[str] = ..., with_file_names: _Optional[bool] = ..., name_pattern: _Optional[str] = ...) -> None: ...

class ListFilesResponse(_message.Message):
    __slots__ = ("files", "next_page_token")
    FILES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[FileOfRun]
    next_page_token: str
    def __init__(self, files: _Optional[_Iterable[_Union[FileOfRun, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetFileRequest(_message.Message):
    __slots__ = ("fuid_raw", "with_events", "with_file_names", "name", "with_parents", "with_children", "related_collections")
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    WITH_EVENTS_FIELD_NUMBER: _ClassVar[int]
    WITH_FILE_NAMES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WITH_PARENTS_FIELD_NUMBER: _ClassVar[int]
    WITH_CHILDREN_FIELD_NUMBER: _ClassVar[int]
    RELATED_COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    fuid_raw: str
    with_events: bool
    with_file_names: bool
    name: str
    with_parents: bool
    with_children: bool
    related_collections: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, fuid_raw: _Optional[str] = ..., with_events: _Optional[bool] = ..., with_file_names: _Optional[bool] = ..., name: _Optional[str] = ..., with_parents: _Optional[bool] = ..., with_children: _Optional[bool] = ..., related_collections: _Optional[_Iterable[str]] = ...) -> None: ...

class RelatedFile(_message.Message):
    __slots__ = ("file", "collection", "events")
    FILE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    file: _event_pb2.RawFile
    collection: str
    events: int
    def __init__(self, file: _Optional[_Union[_event_pb2.RawFile, _Mapping]] = ..., collection: _Optional[str] = ..., events: _Optional[int] = ...) -> None: ...

class GetFileResponse(_message.Message):
    __slots__ = ("runs", "events", "parents", "children")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    PARENTS_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[FileOfRun]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.EventBatch]
    parents: _containers.RepeatedCompositeFieldContainer[RelatedFile]
    children: _containers.RepeatedCompositeFieldContainer[RelatedFile]
    def __init__(self, runs: _Optional[_Iterable[_Union[FileOfRun, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[_event_pb2.EventBatch, _Mapping]]] = ..., parents: _Optional[_Iterable[_Union[RelatedFile, _Mapping]]] = ..., children: _Optional[_Iterable[_Union[RelatedFile, _Mapping]]] = ...) -> None: ...

class Conflict(_message.Message):
    __slots__ = ("conflict_id", "stored", "offered", "source", "first_seen", "last_seen", "times", "stored_record", "offered_record", "resolution", "resolved_by", "resolved", "collection")
    CONFLICT_ID_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    OFFERED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    STORED_RECORD_FIELD_NUMBER: _ClassVar[int]
    OFFERED_RECORD_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    conflict_id: int
    stored: _event_pb2.Event
    offered: _event_pb2.Event
    source: str
    first_seen: _timestamp_pb2.Timestamp
    last_seen: _timestamp_pb2.Timestamp
    times: int
    stored_record: str
    offered_record: str
    resolution: str
    resolved_by: str
    resolved: _timestamp_pb2.Timestamp
    collection: str
    def __init__(self, conflict_id: _Optional[int] = ..., stored: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., offered: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., source: _Optional[str] = ..., first_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., times: _Optional[int] = ..., stored_record: _Optional[str] = ..., offered_record: _Optional[str] = ..., resolution: _Optional[str] = ..., resolved_by: _Optional[str] = ..., resolved: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., collection: _Optional[str] = ...) -> None: ...

class ListConflictsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "run_number", "with_resolved", "collection")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    WITH_RESOLVED_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    run_number: int
    with_resolved: bool
    collection: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., run_number: _Optional[int] = ..., with_resolved: _Optional[bool] = ..., collection: _Optional[str] = ...) -> None: ...

class ListConflictsResponse(_message.Message):
    __slots__ = ("conflicts", "next_page_token")
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    conflicts: _containers.RepeatedCompositeFieldContainer[Conflict]
    next_page_token: str
    def __init__(self, conflicts: _Optional[_Iterable[_Union[Conflict, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCosmicEventsRequest(_message.Message):
    __slots__ = ("run_first", "run_last", "event_first", "event_last", "time_first", "time_last", "detector_id", "events_max")
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIRST_FIELD_NUMBER: _ClassVar[int]
    EVENT_LAST_FIELD_NUMBER: _ClassVar[int]
    TIME_FIRST_FIELD_NUMBER: _ClassVar[int]
    TIME_LAST_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    run_first: int
    run_last: int
    event_first: int
    event_last: int
    time_first: _timestamp_pb2.Timestamp
    time_last: _timestamp_pb2.Timestamp
    detector_id: str
    events_max: int
    def __init__(self, run_first: _Optional[int] = ..., run_last: _Optional[int] = ..., event_first: _Optional[int] = ..., event_last: _Optional[int] = ..., time_first: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_last: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., detector_id: _Optional[str] = ..., events_max: _Optional[int] = ...) -> None: ...

class GetCosmicEventsResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.CosmicEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.CosmicEvent, _Mapping]]] = ...) -> None: ...

class CountCosmicEventsRequest(_message.Message):
    __slots__ = ("selection", "by")
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    selection: GetCosmicEventsRequest
    by: CosmicCountBy
    def __init__(self, selection: _Optional[_Union[GetCosmicEventsRequest, _Mapping]] = ..., by: _Optional[_Union[CosmicCountBy, str]] = ...) -> None: ...

class CosmicCount(_message.Message):
    __slots__ = ("events", "detector_id", "run_number", "cosmic_block", "hour")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    COSMIC_BLOCK_FIELD_NUMBER: _ClassVar[int]
    HOUR_FIELD_NUMBER: _ClassVar[int]
    events: int
    detector_id: str
    run_number: int
    cosmic_block: int
    hour: _timestamp_pb2.Timestamp
    def __init__(self, events: _Optional[int] = ..., detector_id: _Optional[str] = ..., run_number: _Optional[int] = ..., cosmic_block: _Optional[int] = ..., hour: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CountCosmicEventsResponse(_message.Message):
    __slots__ = ("total", "counts")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    total: int
    counts: _containers.RepeatedCompositeFieldContainer[CosmicCount]
    def __init__(self, total: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[CosmicCount, _Mapping]]] = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "made_from", "state", "comment", "created", "events", "runs", "detector_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MADE_FROM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    made_from: str
    state: _event_pb2.DatasetState
    comment: str
    created: _timestamp_pb2.Timestamp
    events: int
    runs: int
    detector_id: str
    def __init__(self, name: _Optional[str] = ..., made_from: _Optional[str] = ..., state: _Optional[_Union[_event_pb2.DatasetState, str]] = ..., comment: _Optional[str] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[int] = ..., runs: _Optional[int] = ..., detector_id: _Optional[str] = ...) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ("run_numbers",)
    RUN_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    run_numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, run_numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class OverlapCollectionsRequest(_message.Message):
    __slots__ = ("collections", "run_first", "run_last", "by_run")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    BY_RUN_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedScalarFieldContainer[str]
    run_first: int
    run_last: int
    by_run: bool
    def __init__(self, collections: _Optional[_Iterable[str]] = ..., run_first: _Optional[int] = ..., run_last: _Optional[int] = ..., by_run: _Optional[bool] = ...) -> None: ...

class OverlapOfRun(_message.Message):
    __slots__ = ("run_number", "events")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    events: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, run_number: _Optional[int] = ..., events: _Optional[_Iterable[int]] = ...) -> None: ...

class OverlapCollectionsResponse(_message.Message):
    __slots__ = ("collections", "events", "runs")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedScalarFieldContainer[str]
    events: _containers.RepeatedScalarFieldContainer[int]
    runs: _containers.RepeatedCompositeFieldContainer[OverlapOfRun]
    def __init__(self, collections: _Optional[_Iterable[str]] = ..., events: _Optional[_Iterable[int]] = ..., runs: _Optional[_Iterable[_Union[OverlapOfRun, _Mapping]]] = ...) -> None: ...

class ListDuplicatesRequest(_message.Message):
    __slots__ = ("collections", "run_first", "run_last", "datasets", "with_events")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    RUN_FIRST_FIELD_NUMBER: _ClassVar[int]
    RUN_LAST_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    WITH_EVENTS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedScalarFieldContainer[str]
    run_first: int
    run_last: int
    datasets: _containers.RepeatedScalarFieldContainer[int]
    with_events: bool
    def __init__(self, collections: _Optional[_Iterable[str]] = ..., run_first: _Optional[int] = ..., run_last: _Optional[int] = ..., datasets: _Optional[_Iterable[int]] = ..., with_events: _Optional[bool] = ...) -> None: ...

class DatasetPair(_message.Message):
    __slots__ = ("collection", "dsid_raw", "other_collection", "other_dsid_raw", "events")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    OTHER_COLLECTION_FIELD_NUMBER: _ClassVar[int]
    OTHER_DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    dsid_raw: int
    other_collection: str
    other_dsid_raw: int
    events: int
    def __init__(self, collection: _Optional[str] = ..., dsid_raw: _Optional[int] = ..., other_collection: _Optional[str] = ..., other_dsid_raw: _Optional[int] = ..., events: _Optional[int] = ...) -> None: ...

class DuplicateEvents(_message.Message):
    __slots__ = ("pair", "run_number", "event_numbers")
    PAIR_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    pair: DatasetPair
    run_number: int
    event_numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pair: _Optional[_Union[DatasetPair, _Mapping]] = ..., run_number: _Optional[int] = ..., event_numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class ListDuplicatesResponse(_message.Message):
    __slots__ = ("events", "pairs")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    events: DuplicateEvents
    pairs: _containers.RepeatedCompositeFieldContainer[DatasetPair]
    def __init__(self, events: _Optional[_Union[DuplicateEvents, _Mapping]] = ..., pairs: _Optional[_Iterable[_Union[DatasetPair, _Mapping]]] = ...) -> None: ...

class IndexStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IndexStatusResponse(_message.Message):
    __slots__ = ("version", "events", "runs", "datasets", "collections", "last_seen", "bytes", "files", "shards", "nodes")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    version: str
    events: int
    runs: int
    datasets: int
    collections: int
    last_seen: _timestamp_pb2.Timestamp
    bytes: int
    files: int
    shards: int
    nodes: int
    def __init__(self, version: _Optional[str] = ..., events: _Optional[int] = ..., runs: _Optional[int] = ..., datasets: _Optional[int] = ..., collections: _Optional[int] = ..., last_seen: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bytes: _Optional[int] = ..., files: _Optional[int] = ..., shards: _Optional[int] = ..., nodes: _Optional[int] = ...) -> None: ...

class ReadRawFileRequest(_message.Message):
    __slots__ = ("fuid_raw",)
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    fuid_raw: str
    def __init__(self, fuid_raw: _Optional[str] = ...) -> None: ...

class ReadRawFileResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lines: _Optional[_Iterable[str]] = ...) -> None: ...
