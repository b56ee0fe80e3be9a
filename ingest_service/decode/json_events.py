"""JSON events, one or an array, to columns. Pure.

Of an array with some bad events the good ones are kept; each bad one is a rejection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from event_store.model import DSID_MAX, NUMBER_MAX, RAW_NAME, RawFile
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
_Span = tuple[int, int]
_Event = tuple[int, int, int, RawFile, str]


class _Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event as it is sent. msgspec takes no boolean or 1.0 as an integer, no NaN, only UTF-8."""

    run_number: int
    event_number: int
    olt_result: int
    dsid_raw: int
    fuid_raw: str
    collection: str | None = None


_one = msgspec.json.Decoder(_Sent).decode
_many = msgspec.json.Decoder(list[_Sent]).decode
# Five keys and one string have 12 quotes; a repeated key, which msgspec accepts, has more.
_QUOTES, _QUOTES_OF_COLLECTION = 12, 4
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
    if event is None:
        return None
    run, number_, olt, file, collection = event
    columns = [run], [number_], [olt], [0], [file]
    return Decoded(1, *columns, piece=lambda _: payload, collection=collection)


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
    return Decoded(
        len(events),
        [event[0] for event in events],
        [event[1] for event in events],
        [event[2] for event in events],
        list(range(len(events))),
        [event[3] for event in events],
        piece=_piece_of(payload),
        collection=_collections(events),
    )


def _quotes(sent: _Sent) -> int:
    return _QUOTES if sent.collection is None else _QUOTES + _QUOTES_OF_COLLECTION


def _collections(events: list[_Event]) -> str | list[str]:
    """Return the collection of all events, or that of each where they differ."""
    names = [event[4] for event in events]
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
    return (
        sent.run_number,
        sent.event_number,
        sent.olt_result,
        RawFile(file, sent.dsid_raw),
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
        run, event, olt, file, collection = _event(value)
    except RefusedError as error:
        return _nothing(text, error)
    columns = [run], [event], [olt], [0], [file]
    return Decoded(1, *columns, piece=lambda _: text.encode(), collection=collection)


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
    return Decoded(
        offered=len(elements),
        runs=[event[0] for event in kept],
        events=[event[1] for event in kept],
        olt=[event[2] for event in kept],
        file_index=list(range(len(kept))),
        files=[event[3] for event in kept],
        positions=positions,
        rejections=rejections,
        piece=lambda position: text[slice(*elements[position][0])].encode(),
        collection=_collections(kept),
    )


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
    if value.keys() - {_COLLECTION} != _FIELDS:
        raise RefusedError(Reason.WRONG_FIELDS, _field_problem(value))
    run, event, olt, dsid = (
        value["run_number"],
        value["event_number"],
        value["olt_result"],
        value["dsid_raw"],
    )
    return (
        number("run_number", run, 0, NUMBER_MAX),
        number("event_number", event, 0, NUMBER_MAX),
        number("olt_result", olt, 0, UINT64_MAX),
        RawFile(fuid("fuid_raw", value["fuid_raw"]), number("dsid_raw", dsid, 0, DSID_MAX)),
        _collection(value.get(_COLLECTION, RAW_NAME)),
    )


def _collection(value: object) -> str:
    if not isinstance(value, str):
        raise RefusedError(Reason.WRONG_TYPE, f"collection is {describe(value)}, not a text")
    return value


def _field_problem(value: dict[str, object]) -> str:
    missing = sorted(_FIELDS - value.keys())
    if missing:
        return f"{missing[0]} is missing"
    unknown = min(value.keys() - _FIELDS - {_COLLECTION})
    return f"{describe(unknown)} is not a field of an event"


def _expect_end(text: str, at: int) -> None:
    end = skip_blanks(text, at)
    if end != len(text):
        raise StrictJsonError(f"more text after the value, at character {end}")
