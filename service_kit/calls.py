"""For which call a task or thread works: its id, which every log line bears, and who makes it.

The id comes from the caller (`x-request-id`, or the trace of `traceparent`) or is made here; a call
to another service hands it on. Never decides anything by it.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"
# What a log may hold without quoting; others make their ids of nothing else.
_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
# One line can be of several calls that are answered together; it names so many of them.
_TOGETHER_MAX = 8

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")
_peer: ContextVar[str] = ContextVar("peer", default="")
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


class Tally:
    """What one call was about so far: pairs that were asked for, events that were sent."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs = 0


_tally: ContextVar[Tally] = ContextVar("tally", default=Tally())  # noqa: B039  # of no call: nobody reads it


def count_pairs(pairs: int) -> None:
    """Note that the current call asked for so many pairs, or sent so many events."""
    _tally.get().pairs += pairs


def tally() -> Tally:
    """Return what the current call was about so far."""
    return _tally.get()


def request_id() -> str:
    """Return the id of the current call, "" outside of any."""
    return _request_id.get()


def traceparent() -> str:
    """Return what a call to another service brings as its parent, "" where nobody traces."""
    return _traceparent.get()


def set_traceparent(value: str) -> None:
    """Let calls to other services belong to a span of this process."""
    _traceparent.set(value)


@contextmanager
def untraced() -> Iterator[None]:
    """Let nobody record the calls of a service that nobody asked it for."""
    token = _traceparent.set(f"00-{new_id()}-{new_id()[:16]}-00")
    try:
        yield
    finally:
        _traceparent.reset(token)


def peer() -> str:
    """Return the address of who makes the current call, as gRPC writes it."""
    return _peer.get()


def seconds_left() -> float:
    """Return how long whoever makes the current call waits yet; infinite without a deadline."""
    return _deadline.get() - time.monotonic()


def begin(
    entries: Iterable[tuple[str, Any]], peer: str = "", seconds_left: float | None = None
) -> str:
    """Take the id out of metadata or headers, or make one, for all that this call does from now on.

    Args:
        entries: names in lower case, and values.
        peer: who calls.
        seconds_left: how long that one waits; None: without a limit.
    """
    found = {name: value for name, value in entries if name in {REQUEST_ID, TRACEPARENT}}
    given, trace = str(found.get(REQUEST_ID, "")), str(found.get(TRACEPARENT, ""))
    traced = _TRACE.fullmatch(trace)
    if not _ID.fullmatch(given):
        given = traced[1] if traced else new_id()
    _request_id.set(given)
    _traceparent.set(trace if traced else "")
    _peer.set(peer)
    _deadline.set(math.inf if seconds_left is None else time.monotonic() + seconds_left)
    _tally.set(Tally())
    return given


def new_id() -> str:
    """Return an id of one's own: no secret, different from all others."""
    return f"{random.getrandbits(128):032x}"


def metadata() -> tuple[tuple[str, str], ...]:
    """Return what a call to another service brings with it, so that its lines bear the same id."""
    entries = ((REQUEST_ID, _request_id.get()), (TRACEPARENT, _traceparent.get()))
    return tuple((name, value) for name, value in entries if value)


@contextmanager
def working_for(*ids: str) -> Iterator[None]:
    """Let lines bear the ids of calls that are worked for together."""
    distinct = list(dict.fromkeys(filter(None, ids)))
    more = f",+{len(distinct) - _TOGETHER_MAX}" if len(distinct) > _TOGETHER_MAX else ""
    token = _request_id.set(",".join(distinct[:_TOGETHER_MAX]) + more)
    try:
        yield
    finally:
        _request_id.reset(token)
