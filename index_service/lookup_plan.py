"""From requests to checked columns. Pure: no I/O, no database.

The columns of a lookup are decoded by NumPy. Whatever is not in the shape that clients send
(a field twice, a field that is not known, a list that is not packed, a number from 2^56 on) is
decoded by protobuf.
"""

from __future__ import annotations

import numpy as np
from google.protobuf.internal.containers import RepeatedScalarFieldContainer

from event_store.database.commit_tokens import CommitToken, parse_token
from event_store.lookup.batch import Asked
from event_store.model import NUMBER_MAX, RAW_NAME, Int64
from eventindex.told import told
from eventindex.v1 import lookup_pb2
from eventindex.wire import count_varints, fields, varint_values
from service_kit import checks
from service_kit.errors import InvalidRequestError
from service_kit.requests import parse
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

_FIELDS = lookup_pb2.LookupRequest.DESCRIPTOR.fields_by_name
_BATCH_ID, _RUNS, _EVENTS, _WITH_OLT, _COLLECTION, _OF_STREAM, _WITH_NAMES, _TOKEN = (
    _FIELDS[name].number
    for name in (
        "batch_id",
        "run_numbers",
        "event_numbers",
        "with_olt_result",
        "collection",
        "files_of_stream",
        "with_file_names",
        "commit_token",
    )
)
# How the field begins on the wire.
_TOKEN_TAG = bytes([_TOKEN << 3 | 2])
_KNOWN = {
    _BATCH_ID: int,
    _RUNS: memoryview,
    _EVENTS: memoryview,
    _WITH_OLT: int,
    _COLLECTION: memoryview,
    _OF_STREAM: int,
    _WITH_NAMES: int,
    _TOKEN: memoryview,
}


def plan_lookup(request: bytes) -> Asked:
    """Check a batch of pairs, a serialized LookupRequest.

    Raises:
        InvalidRequestError: too many pairs, columns of different lengths, or a number out of
            range, with its index.
    """
    return _plan_columns(request) or _plan_message(request)


def may_have_commit_token(request: bytes) -> bool:
    """Return whether a request has a commit_token, or cannot be told at a glance."""
    if _TOKEN_TAG not in request:
        return False
    read = fields(request)
    return read is None or any(number == _TOKEN for number, _ in read[0])


def plan_event(request: lookup_pb2.GetEventRequest) -> Asked:
    """Check a single pair.

    Raises:
        InvalidRequestError: a number out of range.
    """
    run = checks.number("run_number", request.run_number)
    event = checks.number("event_number", request.event_number)
    return Asked(
        np.array([run], np.int64),
        np.array([event], np.int64),
        with_olt=True,
        collection=request.collection or RAW_NAME,
        with_names=request.with_file_names,
    )


def _plan_columns(request: bytes) -> Asked | None:
    read = fields(request)
    if read is None:
        return None
    found, _ = read
    by_number = dict(found)
    if len(by_number) < len(found) or any(
        not isinstance(value, _KNOWN.get(number, ())) for number, value in found
    ):
        return None
    columns = [by_number.get(number, b"") for number in (_RUNS, _EVENTS)]
    _check_lengths(*map(count_varints, columns))
    runs, events = map(varint_values, columns)
    if runs is None or events is None:
        return None
    name = bytes(by_number.get(_COLLECTION, b""))
    if not name.isascii():
        return None
    return Asked(
        runs,
        events,
        bool(by_number.get(_WITH_OLT)),
        by_number.get(_BATCH_ID, 0),
        name.decode() or RAW_NAME,
        bool(by_number.get(_WITH_NAMES)),
        bool(by_number.get(_OF_STREAM)),
        _token(bytes(by_number.get(_TOKEN, b"")).decode("ascii", "replace")),
    )


def _plan_message(data: bytes) -> Asked:
    request = parse(lookup_pb2.LookupRequest, data)
    _check_lengths(len(request.run_numbers), len(request.event_numbers))
    return Asked(
        _numbers("run_numbers", request.run_numbers),
        _numbers("event_numbers", request.event_numbers),
        request.with_olt_result,
        request.batch_id,
        request.collection or RAW_NAME,
        request.with_file_names,
        request.files_of_stream,
        _token(request.commit_token),
    )


def _token(text: str) -> CommitToken | None:
    if not text:
        return None
    token = parse_token(text)
    if token is None:
        raise InvalidRequestError(
            told(
                "NOT_A_COMMIT_TOKEN",
                "commit_token is {value}, not that of an acknowledgement",
                value=repr(text[:64]),
            )
        )
    return token


def _check_lengths(runs: int, pairs: int) -> None:
    # Counted before any element is touched: a small message can claim millions.
    if max(pairs, runs) > PAIRS_PER_MESSAGE_MAX:
        raise InvalidRequestError(
            told(
                "TOO_MANY_PAIRS",
                "{pairs} pairs in a message: the limit is {limit}",
                pairs=f"{max(pairs, runs):,}",
                limit=f"{PAIRS_PER_MESSAGE_MAX:,}",
            )
        )
    if runs not in {1, pairs}:
        raise InvalidRequestError(
            told(
                "RUNS_DO_NOT_FIT",
                "run_numbers has {runs} elements for {pairs} event_numbers: one for all "
                "or one each",
                runs=runs,
                pairs=pairs,
            )
        )


def _numbers(name: str, field: RepeatedScalarFieldContainer[int]) -> Int64:
    values = np.asarray(field, np.uint64)
    too_large = values > np.uint64(NUMBER_MAX)
    if too_large.any():
        index = int(too_large.argmax())
        raise InvalidRequestError(
            told(
                "ELEMENT_ABOVE",
                "{field}[{index}]={value} is above 2^63-1",
                field=name,
                index=index,
                value=int(values[index]),
            )
        )
    return values.astype(np.int64)
