"""JSON events, one or an array, to columns. Pure.

Of an array with some bad events the good ones are kept; each bad one is a rejection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from event_store.model import DSID_MAX, NUMBER_MAX, RAW_NAME, FileInfo, RawFile
from eventindex.file_names import problem_of
from ingest_service.decode.fields import UINT64_MAX, describe, fuid, number, parse_fuid
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
_Event = tuple[int, int, int, RawFile, FileInfo | None, str]


class _Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event as it is sent. msgspec takes no boolean or 1.0 as an integer, no NaN, only UTF-8."""

    run_number: int
    event_number: int
    olt_result: int
    dsid_raw: int
    fuid_raw: str
    collection: str | None = None
    file_name: str | msgspec.UnsetType = msgspec.UNSET
    file_bytes: int | msgspec.UnsetType = msgspec.UNSET
    file_checksum: str | msgspec.UnsetType = msgspec.UNSET


_one = msgspec.json.Decoder(_Sent).decode
_many = msgspec.json.Decoder(list[_Sent]).decode
# Five keys and one string have 12 quotes; a repeated key, which msgspec accepts, has more.
_QUOTES = 12
_QUOTES_OF_KEY, _QUOTES_OF_STRING = 2, 4
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_json(payload: bytes) -> Decoded:
    """Return the events of a payload.

    Raises:
        MalformedBatchError: the payload is not JSON in UTF-8, or an array of too many events.
    """
    good = _good_event(payload) if payload.startswith(b"{") else _good_events(payload)
    return _decode_any(payload) if good is None else good


def _good_event(payload: bytes) -> Decoded | None:
    """Return the event of a payload without a fault; None: `_decode_any` finds out what it is."""
    try:
        sent = _one(payload)
    except _FAULTS:
        return None
    event = _checked(sent) if payload.count(b'"') == _quotes(sent) else None
    return None if event is None else _decoded([event], 1, lambda _: payload)


def _good_events(payload: bytes) -> Decoded | None:
    """Return the events of an array without a fault; None: `_decode_any` finds out what it is."""
    try:
        sent = _many(payload)
    except _FAULTS:
        return None
    if len(sent) > PAIRS_PER_MESSAGE_MAX or payload.count(b'"') != sum(map(_quotes, sent)):
        return None
    events = [event for event in map(_checked, sent) if event is not None]
    if len(events) < len(sent):
        return None
    return _decoded(events, len(events), _piece_of(payload))


def _quotes(sent: _Sent) -> int:
    """Count the quotes of an event that names each of its fields once."""
    if sent.file_name is sent.file_bytes is sent.file_checksum and sent.collection is None:
        return _QUOTES
    return (
        _QUOTES
        + _QUOTES_OF_STRING * (sent.collection is not None)
        + _QUOTES_OF_STRING * (sent.file_name is not msgspec.UNSET)
        + _QUOTES_OF_KEY * (sent.file_bytes is not msgspec.UNSET)
        + _QUOTES_OF_STRING * (sent.file_checksum is not msgspec.UNSET)
    )


def _decoded(events: list[_Event], offered: int, piece: Callable[[int], bytes]) -> Decoded:
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


def _collections(events: list[_Event]) -> str | list[str]:
    """Return the collection of all events, or that of each where they differ."""
    names = [event[5] for event in events]
    one = names[0] if names else RAW_NAME
    return one if names.count(one) == len(names) else names


def _piece_of(payload: bytes) -> Callable[[int], bytes]:
    """Return what gives an array's elements as they came; their places are found on first use."""

    @cache
    def parsed() -> Decoded:
        return _decode_any(payload)

    def piece(position: int) -> bytes:
        return parsed().piece(position)

    return piece


def _checked(sent: _Sent) -> _Event | None:
    file = parse_fuid(sent.fuid_raw)
    if (
        file is None
        or not 0 <= sent.run_number <= NUMBER_MAX
        or not 0 <= sent.event_number <= NUMBER_MAX
        or not 0 <= sent.olt_result <= UINT64_MAX
        or not 0 <= sent.dsid_raw <= DSID_MAX
    ):
        return None
    if sent.file_name is sent.file_bytes is sent.file_checksum:
        info = None
    else:
        info = FileInfo(
            file,
            "" if sent.file_name is msgspec.UNSET else sent.file_name,
            0 if sent.file_bytes is msgspec.UNSET else sent.file_bytes,
            "" if sent.file_checksum is msgspec.UNSET else sent.file_checksum,
        )
        if problem_of(*info[1:]):
            return None
    return (
        sent.run_number,
        sent.event_number,
        sent.olt_result,
        RawFile(file, sent.dsid_raw),
        info,
        RAW_NAME if sent.collection is None else sent.collection,
    )


def _decode_any(payload: bytes) -> Decoded:
    try:
        text = text_of(payload)
        start = skip_blanks(text, 0)
        if text.startswith("[", start):
            return _decode_elements(text, list(_elements(text, start)))
        return _decode_single(text, start)
    except StrictJsonError as error:
        raise MalformedBatchError(str(error)) from None


def _decode_single(text: str, start: int) -> Decoded:
    value, end = value_at(text, start)
    _expect_end(text, end)
    try:
        event = _event(value)
    except RefusedError as error:
        return _nothing(text, error)
    return _decoded([event], 1, lambda _: text.encode())


def _nothing(text: str, error: RefusedError) -> Decoded:
    rejection = Rejection(0, error.reason, error.detail)
    return Decoded(
        1, [], [], [], [], [], positions=[], rejections=[rejection], piece=lambda _: text.encode()
    )


def _decode_elements(text: str, elements: list[tuple[_Span, _Event | RefusedError]]) -> Decoded:
    kept: list[_Event] = []
    positions: list[int] = []
    rejections: list[Rejection] = []
    for position, (_, found) in enumerate(elements):
        if isinstance(found, RefusedError):
            rejections.append(Rejection(position, found.reason, found.detail))
        else:
            kept.append(found)
            positions.append(position)
    decoded = _decoded(
        kept, len(elements), lambda position: text[slice(*elements[position][0])].encode()
    )
    decoded.positions = positions
    decoded.rejections = rejections
    return decoded


def _elements(text: str, start: int) -> Iterator[tuple[_Span, _Event | RefusedError]]:
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
            raise StrictJsonError(f"expected ',' or ']' at character {after}")
        at = skip_blanks(text, after + 1)
    raise MalformedBatchError(
        f"an array of more than {PAIRS_PER_MESSAGE_MAX} events", Reason.TOO_LARGE
    )


def _element(text: str, at: int) -> tuple[_Event | RefusedError, int]:
    try:
        value, end = value_at(text, at)
    except StrictJsonError as error:
        found = end_of_value(text, at)
        if found is None:
            raise
        return RefusedError(Reason.MALFORMED, str(error)), found
    try:
        return _event(value), end
    except RefusedError as refused:
        return refused, end


def _event(value: object) -> _Event:
    if not isinstance(value, dict):
        raise RefusedError(Reason.WRONG_TYPE, f"an event is an object, not {describe(value)}")
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
        raise RefusedError(Reason.WRONG_TYPE, f"collection is {describe(value)}, not a text")
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
        raise RefusedError(Reason.WRONG_TYPE, f"{field} is {describe(text)}, not a text")
    return text


def _field_problem(value: dict[str, object]) -> str:
    missing = sorted(_FIELDS - value.keys())
    if missing:
        return f"{missing[0]} is missing"
    unknown = min(value.keys() - _FIELDS - _OPTIONAL_FIELDS)
    return f"{describe(unknown)} is not a field of an event"


def _expect_end(text: str, at: int) -> None:
    end = skip_blanks(text, at)
    if end != len(text):
        raise StrictJsonError(f"more text after the value, at character {end}")
