"""Checks of requests, for all services; each error names the field and the value. Pure."""

from __future__ import annotations

import uuid
from typing import NamedTuple, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from event_store.model import DSID_MAX, NUMBER_MAX, UNIX_MAX_S, UNIX_MIN_S
from eventindex.told import told
from eventindex.uuids import is_canonical_uuid, uuid_hint
from service_kit.errors import InvalidRequestError

TEXT_CHARACTERS_MAX = 1000


class RangeRequest(Protocol):
    """A request with a run or event range."""

    def HasField(self, field_name: str, /) -> bool:
        """Return whether an optional field is set."""


class Range(NamedTuple):
    """Numbers `first` to `last`, both included."""

    first: int
    last: int

    @property
    def one(self) -> bool:
        """Whether a single number is meant."""
        return self.first == self.last


def number(name: str, value: int) -> int:
    """Return a run or event number.

    Raises:
        InvalidRequestError: above 2^63-1.
    """
    if value > NUMBER_MAX:
        raise InvalidRequestError(
            told("NUMBER_ABOVE", "{field}={value} is above 2^63-1", field=name, value=value)
        )
    return value


def dsid(value: int) -> int:
    """Return a dataset number.

    Raises:
        InvalidRequestError: above 2^31-1.
    """
    if value > DSID_MAX:
        raise InvalidRequestError(
            told("DATASET_ABOVE", "dsid_raw={value} is above 2^31-1", value=value)
        )
    return value


def number_range(request: RangeRequest, what: str) -> Range:
    """Return the range of `<what>_first` and `<what>_last`; an absent bound does not restrict.

    Raises:
        InvalidRequestError: a bound above 2^63-1, or the first above the last.
    """
    names = (f"{what}_first", f"{what}_last")
    first, last = (
        number(name, getattr(request, name)) if request.HasField(name) else absent
        for name, absent in zip(names, (0, NUMBER_MAX), strict=True)
    )
    if first > last:
        raise InvalidRequestError(
            told(
                "RANGE_REVERSED",
                "{first_field}={first} is above {last_field}={last}",
                first_field=names[0],
                first=first,
                last_field=names[1],
                last=last,
            )
        )
    return Range(first, last)


def at_most(name: str, value: int, limit: int) -> int:
    """Return how much of something is asked for.

    Raises:
        InvalidRequestError: more than there may be.
    """
    if value > limit:
        raise InvalidRequestError(
            told(
                "ABOVE_LIMIT",
                "{field}={value} is above the limit of {limit}",
                field=name,
                value=value,
                limit=limit,
            )
        )
    return value


def fuid(value: str) -> uuid.UUID:
    """Return a RAW file id.

    Raises:
        InvalidRequestError: not 8-4-4-4-12 hexadecimal digits.
    """
    if not is_canonical_uuid(value):
        raise InvalidRequestError(
            told(
                "NOT_A_FILE_ID",
                "fuid_raw={value} is not a UUID in canonical form{hint}",
                value=f"{value[:60]!r}",
                hint=uuid_hint(value),
            )
        )
    return uuid.UUID(value)


def text(name: str, value: str) -> str:
    """Return a text that is compared with stored ones.

    Raises:
        InvalidRequestError: too long, or with a NUL, which no stored text has.
    """
    if len(value) > TEXT_CHARACTERS_MAX:
        raise InvalidRequestError(
            told(
                "TEXT_TOO_LONG",
                "{field} has {characters} characters: the limit is {limit}",
                field=name,
                characters=f"{len(value):,}",
                limit=f"{TEXT_CHARACTERS_MAX:,}",
            )
        )
    if "\0" in value:
        raise InvalidRequestError(
            told("HAS_NUL", "{field}={value} has a NUL character", field=name, value=f"{value!r}")
        )
    return value


def unix_seconds(name: str, value: Timestamp, *, round_up: bool) -> int:
    """Return a time as whole Unix seconds.

    Raises:
        InvalidRequestError: not in the years 1 to 9999.
    """
    seconds = value.seconds + (1 if round_up and value.nanos else 0)
    if not UNIX_MIN_S <= value.seconds <= UNIX_MAX_S or not 0 <= value.nanos < 10**9:
        raise InvalidRequestError(
            told(
                "NOT_A_TIME",
                "{field}=({seconds} s, {nanos} ns) is not a time of the years 1 to 9999",
                field=name,
                seconds=value.seconds,
                nanos=value.nanos,
            )
        )
    return seconds
