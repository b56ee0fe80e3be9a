"""EventBatch messages to columns. Pure: no I/O, and no Python loop over events that are good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from event_store.model import (
    DSID_MAX,
    NUMBER_MAX,
    RAW_NAME,
    FileInfo,
    Int64,
    RawFile,
    UInt64,
)
from eventindex.file_names import problem_of
from eventindex.told import told
from eventindex.v1 import event_pb2
from eventindex.wire_counts import excess
from ingest_service.decode.fields import describe, parse_fuid
from ingest_service.model import Decoded, MalformedBatchError, Reason, Rejection
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

_Indexes = npt.NDArray[np.int32]


def decode_payload(payload: bytes) -> Decoded:
    """Return the events of a payload; see `parse_batch` and `decode_batch`."""
    return decode_batch(parse_batch(payload))


def parse_batch(payload: bytes) -> event_pb2.EventBatch:
    """Return the message of a payload.

    Raises:
        MalformedBatchError: the payload is not an EventBatch, or has a list that is too long.
    """
    too_much = excess(payload, event_pb2.EventBatch, PAIRS_PER_MESSAGE_MAX)
    if too_much:
        raise MalformedBatchError(
            told(
                "MESSAGE_OF_TOO_MANY",
                "{too_much}; a message holds at most {limit}",
                too_much=too_much,
                limit=PAIRS_PER_MESSAGE_MAX,
            ),
            Reason.TOO_LARGE,
        )
    try:
        return event_pb2.EventBatch.FromString(payload)
    except DecodeError:
        raise MalformedBatchError(
            told("NOT_AN_EVENT_BATCH", "the payload is not an EventBatch")
        ) from None


def decode_batch(batch: event_pb2.EventBatch) -> Decoded:
    """Return the columns of a batch and the events that are refused for a value out of range.

    Raises:
        MalformedBatchError: counts, column lengths, file ids or file indexes do not fit; the text
            names the first bad index.
    """
    _check_counts(batch)
    files, infos = _files(batch.files)
    columns = _columns(batch)
    file_index = _file_index(batch, len(files))
    good, rejections = _check_values(columns, file_index, files)
    decoded = Decoded(
        offered=len(columns.events),
        runs=columns.runs.view(np.int64),
        events=columns.events.view(np.int64),
        olt=columns.olt,
        file_index=file_index,
        files=files,
        file_infos=infos,
        piece=lambda position: one_event_batch(batch, columns, file_index, position),
        collection=batch.collection or RAW_NAME,
    )
    return decoded if good is None else _keep(decoded, good, rejections)


def one_event_batch(
    batch: event_pb2.EventBatch, columns: _Columns, file_index: _Indexes, position: int
) -> bytes:
    """Return the event at a position as an EventBatch of its own."""
    return event_pb2.EventBatch(
        batch_id=batch.batch_id,
        files=[batch.files[int(file_index[position])]],
        run_numbers=[int(columns.runs[position])],
        event_numbers=[int(columns.events[position])],
        file_indexes=[1],
        olt_results=[int(columns.olt[position])] if len(batch.olt_results) else [],
        collection=batch.collection,
    ).SerializeToString()


@dataclass(frozen=True, slots=True)
class _Columns:
    """The numbers as they came, uint64, one length."""

    runs: UInt64
    events: UInt64
    olt: UInt64


def _check_counts(batch: event_pb2.EventBatch) -> None:
    n = len(batch.event_numbers)
    for name, count in (("event_numbers", n), ("files", len(batch.files))):
        if count > PAIRS_PER_MESSAGE_MAX:
            raise MalformedBatchError(
                told(
                    "TOO_MANY_ELEMENTS",
                    "{field} has {count} elements; a message holds at most {limit}",
                    field=name,
                    count=count,
                    limit=PAIRS_PER_MESSAGE_MAX,
                ),
                Reason.TOO_LARGE,
            )
    if len(batch.run_numbers) not in {1, n}:
        raise _wrong_length("run_numbers", len(batch.run_numbers), n, "one for all or one each")
    if len(batch.file_indexes) != n:
        raise _wrong_length("file_indexes", len(batch.file_indexes), n, "one each")
    if len(batch.olt_results) not in {0, n}:
        raise _wrong_length("olt_results", len(batch.olt_results), n, "none or one each")


def _wrong_length(name: str, length: int, events: int, rule: str) -> MalformedBatchError:
    first_bad = min(length, events)
    return MalformedBatchError(
        told(
            "WRONG_LENGTH",
            "{field} has {length} elements for {events} events ({rule}): they differ from "
            "index {index} on",
            field=name,
            length=length,
            events=events,
            rule=rule,
            index=first_bad,
        )
    )


def _files(files: Sequence[event_pb2.RawFile]) -> tuple[list[RawFile], list[FileInfo]]:
    found: list[RawFile] = []
    infos: list[FileInfo] = []
    for index, file in enumerate(files):
        fuid = parse_fuid(file.fuid_raw)
        if fuid is None:
            raise MalformedBatchError(
                told(
                    "BATCH_FILE_NOT_A_UUID",
                    "files[{index}].fuid_raw is {value}, not a UUID in canonical form",
                    index=index,
                    value=describe(file.fuid_raw),
                )
            )
        found.append(RawFile(fuid, file.dsid_raw))
        if file.name or file.bytes or file.checksum:
            problem = problem_of(file.name, file.bytes, file.checksum)
            if problem:
                raise MalformedBatchError(
                    told(
                        "FILE_INFO_WRONG",
                        "files[{index}].{problem}",
                        index=index,
                        problem=problem,
                    )
                )
            infos.append(FileInfo(fuid, file.name, file.bytes, file.checksum))
    return found, infos


def _columns(batch: event_pb2.EventBatch) -> _Columns:
    events = np.array(batch.event_numbers, dtype=np.uint64)
    n = len(events)
    runs = np.array(batch.run_numbers, dtype=np.uint64)
    if len(runs) != n:
        runs = np.full(n, runs[0], dtype=np.uint64)
    olt = (
        np.array(batch.olt_results, dtype=np.uint64)
        if len(batch.olt_results)
        else np.zeros(n, dtype=np.uint64)
    )
    return _Columns(runs, events, olt)


def _file_index(batch: event_pb2.EventBatch, n_files: int) -> _Indexes:
    offered = np.array(batch.file_indexes, dtype=np.uint32)
    if len(offered) and not 1 <= offered.min() <= offered.max() <= n_files:
        first = int(np.flatnonzero((offered < 1) | (offered > n_files))[0])
        raise MalformedBatchError(
            told(
                "BAD_FILE_INDEX",
                "file_indexes[{index}] is {value}; it counts from 1 to the {files} files "
                "of the batch",
                index=first,
                value=offered[first],
                files=n_files,
            )
        )
    return (offered - np.uint32(1)).view(np.int32)


def _check_values(
    columns: _Columns, file_index: _Indexes, files: Sequence[RawFile]
) -> tuple[Int64 | None, list[Rejection]]:
    """Return the positions to keep (None: all) and a rejection for each of the others."""
    # Values above 2^63-1 are negative when read as int64.
    columns_bad = [
        column.view(np.int64) < 0
        for column in (columns.runs, columns.events)
        if column.max(initial=0) > NUMBER_MAX
    ]
    bad = np.logical_or.reduce(columns_bad) if columns_bad else np.zeros(len(columns.events), bool)
    if any(file.dsid > DSID_MAX for file in files):
        bad |= np.array([file.dsid > DSID_MAX for file in files])[file_index]
    if not bad.any():
        return None, []
    rejections = [
        Rejection(
            position, Reason.OUT_OF_RANGE, next(_problems(columns, file_index, files, position))
        )
        for position in np.flatnonzero(bad).tolist()
    ]
    return np.flatnonzero(~bad), rejections


def _problems(
    columns: _Columns, file_index: _Indexes, files: Sequence[RawFile], position: int
) -> Iterator[str]:
    for name, value, high in (
        ("run_number", int(columns.runs[position]), NUMBER_MAX),
        ("event_number", int(columns.events[position]), NUMBER_MAX),
        ("dsid_raw", files[int(file_index[position])].dsid, DSID_MAX),
    ):
        if value > high:
            yield told(
                "OUT_OF_RANGE_TO",
                "{field} is {value}, not from 0 to {high}",
                field=name,
                value=value,
                high=high,
            )


def _keep(decoded: Decoded, good: Int64, rejections: list[Rejection]) -> Decoded:
    decoded.runs = np.asarray(decoded.runs)[good]
    decoded.events = np.asarray(decoded.events)[good]
    decoded.olt = np.asarray(decoded.olt)[good]
    decoded.file_index = np.asarray(decoded.file_index)[good]
    decoded.positions = good
    decoded.rejections = rejections
    return decoded
