"""Checks of single values, the same for every decoder: numbers, file ids. Pure."""

from __future__ import annotations

import uuid
from functools import lru_cache

from event_store.model import NUMBER_MAX
from eventindex.told import told
from eventindex.uuids import is_canonical_uuid, uuid_hint
from ingest_service.model import Reason, RefusedError

UINT64_MAX = 2**64 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_SHOWN_MAX = 60


def describe(value: object) -> str:
    """Return a short ASCII text of a value from a message, safe in a log line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        text = ascii(value[:_SHOWN_MAX])
        return text if len(value) <= _SHOWN_MAX else f"{text}… ({len(value)} characters)"
    if isinstance(value, int):
        bits = value.bit_length()
        return str(value) if bits <= 128 else f"a number of {bits} bits"
    if isinstance(value, float):
        return repr(value)
    return "an array" if isinstance(value, list) else "an object"


def number(name: str, value: object, low: int = 0, high: int = NUMBER_MAX) -> int:
    """Return `value` when it is an integer (no boolean, no 1.0) from `low` to `high`.

    Raises:
        RefusedError: it is not; the text names the field and the value.
    """
    if type(value) is not int:
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "NOT_AN_INTEGER",
                "{field} is {value}, not an integer",
                field=name,
                value=describe(value),
            ),
        )
    if not low <= value <= high:
        raise RefusedError(
            Reason.OUT_OF_RANGE,
            told(
                "OUT_OF_RANGE",
                "{field} is {value}, not from {low} to {high}",
                field=name,
                value=describe(value),
                low=low,
                high=high,
            ),
        )
    return value


@lru_cache(maxsize=65_536)
def parse_fuid(text: str) -> uuid.UUID | None:
    """Return the UUID of a canonical ASCII text (either case), None for any other text."""
    # uuid.UUID itself would take braces, underscores and non-ASCII digits.
    return uuid.UUID(text) if is_canonical_uuid(text) else None


def fuid(name: str, value: object) -> uuid.UUID:
    """Return the file id of a JSON field.

    Raises:
        RefusedError: it is not a UUID in canonical form.
    """
    found = parse_fuid(value) if isinstance(value, str) else None
    if found is None:
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "FIELD_NOT_A_UUID",
                "{field} is {value}, not a UUID in canonical form{hint}",
                field=name,
                value=describe(value),
                hint=uuid_hint(value),
            ),
        )
    return found
