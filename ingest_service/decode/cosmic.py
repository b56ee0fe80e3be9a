"""Records of the cosmic-ray telescopes, as their firmware writes them, to events. Pure.

Two shapes count, the class of the talk and the dump; see docs for the fields. Nobody else writes
files for a telescope, so the RAW file of a record is made here, from its detector, run and block.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from event_store.model import CosmicRecord
from event_store.telescope.names import (
    cosmic_collection,
    cosmic_dataset,
    cosmic_fuid,
    is_detector_id,
)
from eventindex.told import sentence_of, told
from ingest_service.decode.clocks import Clocks, Reading
from ingest_service.decode.cosmic_fields import (
    detector_of,
    optional_int64,
    required_number,
    tdc_of,
    trigger_bits_of,
)
from ingest_service.decode.fields import describe
from ingest_service.decode.strict_json import (
    StrictJsonError,
    array_elements,
    single_value,
    text_of,
)
from ingest_service.model import (
    CosmicFile,
    Decoded,
    MalformedBatchError,
    Reason,
    RefusedError,
    Rejection,
)
from service_kit.settings import COSMIC_RECORD_BYTES_MAX, PAIRS_PER_MESSAGE_MAX

_Event = tuple[int, int, int, CosmicFile, CosmicRecord]


def decode_cosmic(payload: bytes, detector_id: str, clocks: Clocks) -> Decoded:
    """Return the events of a payload: one record, one a line, or a JSON array of them.

    Raises:
        MalformedBatchError: no record at all, too many lines, or a detector id that cannot be one.
    """
    whole = payload.strip()
    if not whole:
        raise MalformedBatchError(told("NO_RECORD", "no record in the payload"))
    elements = array_elements(whole, PAIRS_PER_MESSAGE_MAX)
    if elements is not None:
        if len(elements) > PAIRS_PER_MESSAGE_MAX:
            raise MalformedBatchError(
                told(
                    "TOO_MANY_EVENTS",
                    "an array of more than {limit} events",
                    limit=PAIRS_PER_MESSAGE_MAX,
                ),
                Reason.TOO_LARGE,
            )
        return decode_records(elements, detector_id, clocks)
    if b"\n" not in whole or _is_one_record(whole):
        return decode_records([whole], detector_id, clocks)
    if whole.count(b"\n") >= PAIRS_PER_MESSAGE_MAX:
        raise MalformedBatchError(
            told(
                "TOO_MANY_LINES",
                "more than {limit} lines in a message",
                limit=PAIRS_PER_MESSAGE_MAX,
            ),
            Reason.TOO_LARGE,
        )
    lines = [line for line in map(bytes.strip, whole.split(b"\n")) if line]
    return decode_records(lines, detector_id, clocks)


def decode_records(
    records: Sequence[bytes],
    detector_id: str,
    clocks: Clocks,
    record_bytes_max: int = COSMIC_RECORD_BYTES_MAX,
) -> Decoded:
    """Return the events of records, one an element.

    Args:
        records: JSON objects, or the firmware's `[` … `}`.
        detector_id: stands in for a null DetectorId; where it is not empty, another is refused.
        clocks: what a Timestamp means.
        record_bytes_max: a longer record is refused.

    Raises:
        MalformedBatchError: too many records, or a detector id that cannot be one.
    """
    if len(records) > PAIRS_PER_MESSAGE_MAX:
        raise MalformedBatchError(
            told(
                "TOO_MANY_RECORDS",
                "{records} records; a message holds at most {limit}",
                records=len(records),
                limit=PAIRS_PER_MESSAGE_MAX,
            ),
            Reason.TOO_LARGE,
        )
    if detector_id and not is_detector_id(detector_id):
        raise MalformedBatchError(
            told(
                "NOT_A_DETECTOR_ID", "{value} cannot be a detector id", value=describe(detector_id)
            )
        )
    kept: list[_Event] = []
    positions: list[int] = []
    rejections: list[Rejection] = []
    for position, record in enumerate(records):
        try:
            _check_size(record, record_bytes_max)
            kept.append(_event(record, detector_id, clocks))
            positions.append(position)
        except RefusedError as error:
            rejections.append(Rejection(position, error.reason, error.detail))
    return Decoded(
        offered=len(records),
        runs=[event[0] for event in kept],
        events=[event[1] for event in kept],
        olt=[event[2] for event in kept],
        file_index=list(range(len(kept))),
        files=[event[3] for event in kept],
        positions=positions,
        rejections=rejections,
        cosmic={index: event[4] for index, event in enumerate(kept)},
        repaired=sum(event[4].repaired for event in kept),
        piece=lambda position: records[position],
        collection=[cosmic_collection(event[4].detector_id) for event in kept],
    )


def _read(record: bytes) -> tuple[dict[str, object], bool]:
    """Return the object and whether its brackets were repaired."""
    repaired = record[:1] == b"[" and record[-1:] == b"}"
    try:
        text = text_of(record)
        value = single_value("{" + text[1:] if repaired else text)
    except StrictJsonError as error:
        raise RefusedError(Reason.MALFORMED, sentence_of(error)) from None
    if not isinstance(value, dict):
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "RECORD_NOT_AN_OBJECT", "a record is an object, not {value}", value=describe(value)
            ),
        )
    return value, repaired


def _check_size(record: bytes, bytes_max: int) -> None:
    if len(record) > bytes_max:
        raise RefusedError(
            Reason.TOO_LARGE,
            told(
                "RECORD_TOO_LARGE",
                "a record of {bytes} bytes; the limit is {limit}",
                bytes=len(record),
                limit=bytes_max,
            ),
        )


def _is_one_record(text: bytes) -> bool:
    try:
        _read(text)
    except RefusedError:
        return False
    return True


def _event(line: bytes, detector_id: str, clocks: Clocks) -> _Event:
    fields, repaired = _read(line)
    detector = detector_of(fields, detector_id)
    run = required_number(fields, "RunNumber")
    event = required_number(fields, "EventNumber")
    block = optional_int64(fields, "CosmicBlock")
    trigger_bits = trigger_bits_of(fields)
    time = _time(fields, detector, clocks)
    record = CosmicRecord(
        detector_id=detector,
        payload=line,
        canonical=json.dumps(fields, sort_keys=True, separators=(",", ":")).encode(),
        repaired=repaired,
        unix_seconds=None if time is None else time.unix_seconds,
        clock_problem="" if time is None else str(time.problem),
        format=optional_int64(fields, "Format"),
        cosmic_block=block,
        trigger_bits=trigger_bits,
        tdc=tdc_of(fields),
        clock_count=optional_int64(fields, "ClockCount"),
        trigger_counter=_trigger_counter(fields),
        epoch=optional_int64(fields, "Epoch"),
        counter_clocks=optional_int64(fields, "CounterClocks"),
        event_counter=optional_int64(fields, "EventCounter"),
    )
    return run, event, trigger_bits or 0, raw_file(detector, run, block), record


def raw_file(detector: str, run: int, block: int | None) -> CosmicFile:
    """Return the RAW file of one (detector, run, CosmicBlock)."""
    return CosmicFile(cosmic_fuid(detector, run, block), cosmic_dataset(detector, run))


def _time(fields: dict[str, object], detector: str, clocks: Clocks) -> Reading | None:
    timestamp = optional_int64(fields, "Timestamp")
    return None if timestamp is None else clocks.read(detector, timestamp)


def _trigger_counter(fields: dict[str, object]) -> int | None:
    """Return the trigger counter; the talk spells it TrigerCounter, the dump TriggerCounter."""
    dump = optional_int64(fields, "TriggerCounter")
    talk = optional_int64(fields, "TrigerCounter")
    return talk if dump is None else dump
