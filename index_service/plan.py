"""From request messages to checked columns. Pure: no I/O, no database."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from google.protobuf.internal.containers import RepeatedScalarFieldContainer

from event_store.model import NUMBER_MAX, Int64
from eventindex.v1 import lookup_pb2
from index_service.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX


class LookupPlan(NamedTuple):
    """A checked lookup: `runs` is int64 of shape (n,) or (1,), `events` int64 of shape (n,)."""

    batch_id: int
    runs: Int64
    events: Int64
    with_olt: bool


def plan_lookup(request: lookup_pb2.LookupRequest) -> LookupPlan:
    """Check a batch of pairs.

    Raises:
        InvalidRequestError: too many pairs, columns of different lengths, or a number out of
            range, with its index.
    """
    pairs, runs = len(request.event_numbers), len(request.run_numbers)
    # Counted before any element is touched: a small message can claim millions.
    if max(pairs, runs) > PAIRS_PER_MESSAGE_MAX:
        raise InvalidRequestError(
            f"{max(pairs, runs):,} pairs in a message: the limit is {PAIRS_PER_MESSAGE_MAX:,}"
        )
    if runs not in {1, pairs}:
        raise InvalidRequestError(
            f"run_numbers has {runs} elements for {pairs} event_numbers: one for all or one each"
        )
    return LookupPlan(
        request.batch_id,
        _numbers("run_numbers", request.run_numbers),
        _numbers("event_numbers", request.event_numbers),
        request.with_olt_result,
    )


def plan_event(request: lookup_pb2.GetEventRequest) -> LookupPlan:
    """Check a single pair.

    Raises:
        InvalidRequestError: a number out of range.
    """
    run, event = request.run_number, request.event_number
    for name, value in (("run_number", run), ("event_number", event)):
        if value > NUMBER_MAX:
            raise InvalidRequestError(f"{name}={value} is above 2^63-1")
    return LookupPlan(0, np.array([run], np.int64), np.array([event], np.int64), with_olt=True)


def _numbers(name: str, field: RepeatedScalarFieldContainer[int]) -> Int64:
    values = np.asarray(field, np.uint64)
    too_large = values > np.uint64(NUMBER_MAX)
    if too_large.any():
        index = int(too_large.argmax())
        raise InvalidRequestError(f"{name}[{index}]={int(values[index])} is above 2^63-1")
    return values.astype(np.int64)
