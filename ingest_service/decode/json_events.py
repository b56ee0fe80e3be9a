"""JSON events, one or an array, to columns. Pure.

Of an array with some bad events the good ones are kept; each bad one is a rejection of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from event_store.model import DSID_MAX, NUMBER_MAX, RAW_NAME, FileInfo, RawFile
from eventindex.file_names import problem_of
from ingest_service.decode.fields import UINT64_MAX, parse_fuid
from ingest_service.decode.json_each import JsonEvent, columns_of, decode_each
from ingest_service.model import Decoded
from service_kit.settings import PAIRS_PER_MESSAGE_MAX


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
    return decode_each(payload) if good is None else good


def _good_event(payload: bytes) -> Decoded | None:
    """Return the event of a payload without a fault; None: `decode_each` finds out what it is."""
    try:
        sent = _one(payload)
    except _FAULTS:
        return None
    event = _checked(sent) if payload.count(b'"') == _quotes(sent) else None
    return None if event is None else columns_of([event], 1, lambda _: payload)


def _good_events(payload: bytes) -> Decoded | None:
    """Return the events of an array without a fault; None: `decode_each` finds out what it is."""
    try:
        sent = _many(payload)
    except _FAULTS:
        return None
    if len(sent) > PAIRS_PER_MESSAGE_MAX or payload.count(b'"') != sum(map(_quotes, sent)):
        return None
    events = [event for event in map(_checked, sent) if event is not None]
    if len(events) < len(sent):
        return None
    return columns_of(events, len(events), _piece_of(payload))


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


def _piece_of(payload: bytes) -> Callable[[int], bytes]:
    """Return what gives an array's elements as they came; their places are found on first use."""

    @cache
    def parsed() -> Decoded:
        return decode_each(payload)

    def piece(position: int) -> bytes:
        return parsed().piece(position)

    return piece


def _checked(sent: _Sent) -> JsonEvent | None:
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
