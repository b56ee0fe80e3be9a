"""The hooks that make Python's JSON decoder refuse what RFC 8259 does not have. Pure.

No NaN or Infinity, no key twice, no number that is too long or too large to be one.
"""

from __future__ import annotations

import json
import math

DIGITS_MAX = 1_000
_SHOWN_CHARACTERS = 60


class StrictJsonError(ValueError):
    """Text that is not strict JSON; the message says where or why."""


def _object(items: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(items)
    if len(found) == len(items):
        return found
    seen: set[str] = set()
    for key, _ in items:
        if key in seen:
            raise StrictJsonError(f"key {key[:_SHOWN_CHARACTERS]!a} is repeated")
        seen.add(key)
    return found


def _constant(text: str) -> object:
    raise StrictJsonError(f"{text} is not a JSON value")


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise StrictJsonError(f"a number of {len(text)} digits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise StrictJsonError(f"number {text[:_SHOWN_CHARACTERS]} is out of range")
    return value


STRICT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_real,
)
