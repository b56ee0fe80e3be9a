from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasetState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_STATE_UNSPECIFIED: _ClassVar[DatasetState]
    DATASET_STATE_OPEN: _ClassVar[DatasetState]
    DATASET_STATE_FROZEN: _ClassVar[DatasetState]
    DATASET_STATE_RETIRED: _ClassVar[DatasetState]
DATASET_STATE_UNSPECIFIED: DatasetState
DATASET_STATE_OPEN: DatasetState
DATASET_STATE_FROZEN: DatasetState
DATASET_STATE_RETIRED: DatasetState

class RawFile(_message.Message):
    __slots__ = ("fuid_raw", "dsid_raw", "dataset_state", "name", "bytes", "checksum", "url")
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    DATASET_STATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    fuid_raw: str
    dsid_raw: int
    dataset_state: DatasetState
    name: str
    bytes: int
    checksum: str
    url: str
    def __init__(self, fuid_raw: _Optional[str] = ..., dsid_raw: _Optional[int] = ..., dataset_state: _Optional[_Union[DatasetState, str]] = ..., name: _Optional[str] = ..., bytes: _Optional[int] = ..., checksum: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw")
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OLT_RESULT_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    event_number: int
    olt_result: int
    dsid_raw: int
    fuid_raw: str
    def __init__(self, run_number: _Optional[int] = ..., event_number: _Optional[int] = ..., olt_result: _Optional[int] = ..., dsid_raw: _Optional[int] = ..., fuid_raw: _Optional[str] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("batch_id", "files", "run_numbers", "event_numbers", "file_indexes", "olt_results", "collection")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    RUN_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    FILE_INDEXES_FIELD_NUMBER: _ClassVar[int]
    OLT_RESULTS_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    files: _containers.RepeatedCompositeFieldContainer[RawFile]
    run_numbers: _containers.RepeatedScalarFieldContainer[int]
    event_numbers: _containers.RepeatedScalarFieldContainer[int]
    file_indexes: _containers.RepeatedScalarFieldContainer[int]
    olt_results: _containers.RepeatedScalarFieldContainer[int]
    collection: str
    def __init__(self, batch_id: _Optional[int] = ..., files: _Optional[_Iterable[_Union[RawFile, _Mapping]]] = ..., run_numbers: _Optional[_Iterable[int]] = ..., event_numbers: _Optional[_Iterable[int]] = ..., file_indexes: _Optional[_Iterable[int]] = ..., olt_results: _Optional[_Iterable[int]] = ..., collection: _Optional[str] = ...) -> None: ...

class TdcChannel(_message.Message):
    __slots__ = ("data", "calib", "calib1", "calib2")
    DATA_FIELD_NUMBER: _ClassVar[int]
    CALIB_FIELD_NUMBER: _ClassVar[int]
    CALIB1_FIELD_NUMBER: _ClassVar[int]
    CALIB2_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[int]
    calib: _containers.RepeatedScalarFieldContainer[int]
    calib1: int
    calib2: int
    def __init__(self, data: _Optional[_Iterable[int]] = ..., calib: _Optional[_Iterable[int]] = ..., calib1: _Optional[int] = ..., calib2: _Optional[int] = ...) -> None: ...

class CosmicEvent(_message.Message):
    __slots__ = ("run_number", "event_number", "detector_id", "unix_seconds", "format", "cosmic_block", "trigger_bits", "tdc", "clock_count", "trigger_counter", "epoch", "counter_clocks", "event_counter", "payload", "repaired", "fuid_raw", "dsid_raw", "clock_problem")
    class TdcEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TdcChannel
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TdcChannel, _Mapping]] = ...) -> None: ...
    RUN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_ID_FIELD_NUMBER: _ClassVar[int]
    UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    COSMIC_BLOCK_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_BITS_FIELD_NUMBER: _ClassVar[int]
    TDC_FIELD_NUMBER: _ClassVar[int]
    CLOCK_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_COUNTER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    COUNTER_CLOCKS_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNTER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REPAIRED_FIELD_NUMBER: _ClassVar[int]
    FUID_RAW_FIELD_NUMBER: _ClassVar[int]
    DSID_RAW_FIELD_NUMBER: _ClassVar[int]
    CLOCK_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    run_number: int
    event_number: int
    detector_id: str
    unix_seconds: int
    format: int
    cosmic_block: int
    trigger_bits: int
    tdc: _containers.MessageMap[str, TdcChannel]
    clock_count: int
    trigger_counter: int
    epoch: int
    counter_clocks: int
    event_counter: int
    payload: str
    repaired: bool
    fuid_raw: str
    dsid_raw: int
    clock_problem: str
    def __init__(self, run_number: _Optional[int] = ..., event_number: _Optional[int] = ..., detector_id: _Optional[str] = ..., unix_seconds: _Optional[int] = ..., format: _Optional[int] = ..., cosmic_block: _Optional[int] = ..., trigger_bits: _Optional[int] = ..., tdc: _Optional[_Mapping[str, TdcChannel]] = ..., clock_count: _Optional[int] = ..., trigger_counter: _Optional[int] = ..., epoch: _Optional[int] = ..., counter_clocks: _Optional[int] = ..., event_counter: _Optional[int] = ..., payload: _Optional[str] = ..., repaired: _Optional[bool] = ..., fuid_raw: _Optional[str] = ..., dsid_raw: _Optional[int] = ..., clock_problem: _Optional[str] = ...) -> None: ...
