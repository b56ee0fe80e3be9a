"""From request messages to checked columns. Pure: no I/O, no database."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from google.protobuf.internal.containers import RepeatedScalarFieldContainer

from event_store.model import NUMBER_MAX, Int64
from eventindex.v1 import lookup_pb2
from index_service.errors import InvalidRequestError
from service_kit.settings import PAIRS_PER_MESSAGE_MAX

RUNS_PAGE_MAX = 10_000
RUNS_PAGE_DEFAULT = 1000


class LookupPlan(NamedTuple):
    """A checked lookup: `runs` is int64 of shape (n,) or (1,), `events` int64 of shape (n,)."""

    batch_id: int
    runs: Int64
    events: Int64
    with_olt: bool


class RunsPlan(NamedTuple):
    """A checked listing of runs: those above `after`, from `run_first` to `run_last`."""

    after: int
    run_first: int
    run_last: int
    detector_id: str | None
    limit: int


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


def plan_runs(request: lookup_pb2.ListRunsRequest) -> RunsPlan:
    """Check a listing of runs.

    Raises:
        InvalidRequestError: a page size, token, range or order that cannot be.
    """
    if request.page_size > RUNS_PAGE_MAX:
        raise InvalidRequestError(
            f"page_size={request.page_size} is above the limit of {RUNS_PAGE_MAX}"
        )
    if request.order_by not in {"", "run_number"}:
        raise InvalidRequestError(f"order_by={request.order_by!r} is not 'run_number'")
    first = request.run_first
    last = request.run_last if request.HasField("run_last") else NUMBER_MAX
    for name, value in (("run_first", first), ("run_last", last)):
        if value > NUMBER_MAX:
            raise InvalidRequestError(f"{name}={value} is above 2^63-1")
    if first > last:
        raise InvalidRequestError(f"run_first={first} is above run_last={last}")
    return RunsPlan(
        _run_token(request.page_token),
        first,
        last,
        request.detector_id if request.HasField("detector_id") else None,
        request.page_size or RUNS_PAGE_DEFAULT,
    )


def _run_token(token: str) -> int:
    """A page token is the last run of the page before; none is -1."""
    if not token:
        return -1
    if not (token.isascii() and token.isdigit() and len(token) < 20 and int(token) <= NUMBER_MAX):
        raise InvalidRequestError(f"page_token={token[:40]!r} is not one of this service")
    return int(token)


def _numbers(name: str, field: RepeatedScalarFieldContainer[int]) -> Int64:
    values = np.asarray(field, np.uint64)
    too_large = values > np.uint64(NUMBER_MAX)
    if too_large.any():
        index = int(too_large.argmax())
        raise InvalidRequestError(f"{name}[{index}]={int(values[index])} is above 2^63-1")
    return values.astype(np.int64)
