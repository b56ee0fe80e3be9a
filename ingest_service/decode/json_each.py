"""JSON events one by one: the good ones, and in words what is wrong with the others. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from event_store.model import DSID_MAX, NUMBER_MAX, RAW_NAME, FileInfo, RawFile
from eventindex.file_names import problem_of
from eventindex.told import sentence_of, told
from ingest_service.decode.fields import UINT64_MAX, describe, fuid, number
from ingest_service.decode.strict_json import (
    StrictJsonError,
    end_of_value,
    skip_blanks,
    text_of,
    value_at,
)
from ingest_service.model import Decoded, MalformedBatchError, Reason, RefusedError, Rejection
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

_FIELDS = frozenset({"run_number", "event_number", "olt_result", "dsid_raw", "fuid_raw"})
_COLLECTION = "collection"
# What may be known of the event's file.
_FILE_FIELDS = frozenset({"file_name", "file_bytes", "file_checksum"})
_OPTIONAL_FIELDS = _FILE_FIELDS | {_COLLECTION}
_Span = tuple[int, int]
JsonEvent = tuple[int, int, int, RawFile, FileInfo | None, str]


def decode_each(payload: bytes) -> Decoded:
    """Return the good events of a payload, and a rejection for each of the others.

    Raises:
        MalformedBatchError: the payload is not JSON in UTF-8, or an array of too many events.
    """
    try:
        text = text_of(payload)
        start = skip_blanks(text, 0)
        if text.startswith("[", start):
            return _decode_elements(text, list(_elements(text, start)))
        return _decode_single(text, start)
    except StrictJsonError as error:
        raise MalformedBatchError(sentence_of(error)) from None


def _decode_single(text: str, start: int) -> Decoded:
    value, end = value_at(text, start)
    _expect_end(text, end)
    try:
        event = _event(value)
    except RefusedError as error:
        return _nothing(text, error)
    return columns_of([event], 1, lambda _: text.encode())


def _nothing(text: str, error: RefusedError) -> Decoded:
    rejection = Rejection(0, error.reason, error.detail)
    return Decoded(
        1, [], [], [], [], [], positions=[], rejections=[rejection], piece=lambda _: text.encode()
    )


def _decode_elements(text: str, elements: list[tuple[_Span, JsonEvent | RefusedError]]) -> Decoded:
    kept: list[JsonEvent] = []
    positions: list[int] = []
    rejections: list[Rejection] = []
    for position, (_, found) in enumerate(elements):
        if isinstance(found, RefusedError):
            rejections.append(Rejection(position, found.reason, found.detail))
        else:
            kept.append(found)
            positions.append(position)
    decoded = columns_of(
        kept, len(elements), lambda position: text[slice(*elements[position][0])].encode()
    )
    decoded.positions = positions
    decoded.rejections = rejections
    return decoded


def columns_of(events: list[JsonEvent], offered: int, piece: Callable[[int], bytes]) -> Decoded:
    """Return good events as columns."""
    return Decoded(
        offered,
        [event[0] for event in events],
        [event[1] for event in events],
        [event[2] for event in events],
        list(range(len(events))),
        [event[3] for event in events],
        file_infos=list({event[4]: None for event in events if event[4] is not None}),
        piece=piece,
        collection=_collections(events),
    )


def _collections(events: list[JsonEvent]) -> str | list[str]:
    """Return the collection of all events, or that of each where they differ."""
    names = [event[5] for event in events]
    one = names[0] if names else RAW_NAME
    return one if names.count(one) == len(names) else names


def _elements(text: str, start: int) -> Iterator[tuple[_Span, JsonEvent | RefusedError]]:
    """Yield where each element of the array stands and its event, or why there is none."""
    at = skip_blanks(text, start + 1)
    if text.startswith("]", at):
        _expect_end(text, at + 1)
        return
    for _ in range(PAIRS_PER_MESSAGE_MAX):
        found, end = _element(text, at)
        yield (at, end), found
        after = skip_blanks(text, end)
        if text.startswith("]", after):
            _expect_end(text, after + 1)
            return
        if not text.startswith(",", after):
            raise StrictJsonError(
                told(
                    "EXPECTED_COMMA", "expected ',' or ']' at character {position}", position=after
                )
            )
        at = skip_blanks(text, after + 1)
    raise MalformedBatchError(
        told(
            "TOO_MANY_EVENTS", "an array of more than {limit} events", limit=PAIRS_PER_MESSAGE_MAX
        ),
        Reason.TOO_LARGE,
    )


def _element(text: str, at: int) -> tuple[JsonEvent | RefusedError, int]:
    try:
        value, end = value_at(text, at)
    except StrictJsonError as error:
        found = end_of_value(text, at)
        if found is None:
            raise
        return RefusedError(Reason.MALFORMED, sentence_of(error)), found
    try:
        return _event(value), end
    except RefusedError as refused:
        return refused, end


def _event(value: object) -> JsonEvent:
    if not isinstance(value, dict):
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "EVENT_NOT_AN_OBJECT", "an event is an object, not {value}", value=describe(value)
            ),
        )
    if value.keys() - _OPTIONAL_FIELDS != _FIELDS:
        raise RefusedError(Reason.WRONG_FIELDS, _field_problem(value))
    run, event, olt, dsid = (
        value["run_number"],
        value["event_number"],
        value["olt_result"],
        value["dsid_raw"],
    )
    file = RawFile(fuid("fuid_raw", value["fuid_raw"]), number("dsid_raw", dsid, 0, DSID_MAX))
    return (
        number("run_number", run, 0, NUMBER_MAX),
        number("event_number", event, 0, NUMBER_MAX),
        number("olt_result", olt, 0, UINT64_MAX),
        file,
        _info(value, file) if value.keys() & _FILE_FIELDS else None,
        _collection(value.get(_COLLECTION, RAW_NAME)),
    )


def _collection(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "COLLECTION_NOT_A_TEXT", "collection is {value}, not a text", value=describe(value)
            ),
        )
    return value


def _info(value: dict[str, object], file: RawFile) -> FileInfo:
    name, checksum = (_text(field, value) for field in ("file_name", "file_checksum"))
    size_bytes = number("file_bytes", value.get("file_bytes", 0), 0, NUMBER_MAX)
    problem = problem_of(name, size_bytes, checksum)
    if problem:
        raise RefusedError(Reason.OUT_OF_RANGE, f"file_{problem}")
    return FileInfo(file.fuid, name, size_bytes, checksum)


def _text(field: str, value: dict[str, object]) -> str:
    text = value.get(field, "")
    if not isinstance(text, str):
        raise RefusedError(
            Reason.WRONG_TYPE,
            told("NOT_A_TEXT", "{field} is {value}, not a text", field=field, value=describe(text)),
        )
    return text


def _field_problem(value: dict[str, object]) -> str:
    missing = sorted(_FIELDS - value.keys())
    if missing:
        return told("FIELD_MISSING", "{field} is missing", field=missing[0])
    unknown = min(value.keys() - _FIELDS - _OPTIONAL_FIELDS)
    return told("FIELD_UNKNOWN", "{field} is not a field of an event", field=describe(unknown))


def _expect_end(text: str, at: int) -> None:
    end = skip_blanks(text, at)
    if end != len(text):
        raise StrictJsonError(
            told(
                "TEXT_BEHIND_VALUE",
                "more text after the value, at character {position}",
                position=end,
            )
        )
