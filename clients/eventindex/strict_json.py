"""The hooks that make Python's JSON decoder refuse what RFC 8259 does not have. Pure.

No NaN or Infinity, no key twice, no number that is too long or too large to be one.
"""

from __future__ import annotations

import json
import math

from eventindex.told import told

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
            raise StrictJsonError(
                told("KEY_REPEATED", "key {key} is repeated", key=f"{key[:_SHOWN_CHARACTERS]!a}")
            )
        seen.add(key)
    return found


def _constant(text: str) -> object:
    raise StrictJsonError(told("NOT_A_JSON_VALUE", "{value} is not a JSON value", value=text))


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise StrictJsonError(
            told("NUMBER_TOO_LONG", "a number of {digits} digits", digits=len(text))
        )
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise StrictJsonError(
            told(
                "NUMBER_OUT_OF_RANGE",
                "number {value} is out of range",
                value=text[:_SHOWN_CHARACTERS],
            )
        )
    return value


STRICT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_real,
)
