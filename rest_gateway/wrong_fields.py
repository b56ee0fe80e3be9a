"""What is wrong with a field of a request, in one sentence of this project's words. Pure.

The checks are pydantic's; its own sentences are for programmers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eventindex.told import Told, told
from rest_gateway.calls.parameters import FUID_PATTERN, RUNS_PATTERN
from rest_gateway.problems import short

_POWERS = {2**bits - 1: f"2^{bits}-1" for bits in (31, 32, 63, 64)}


class _Kind(NamedTuple):
    """A reason, the end of "field is value: …", and pydantic's name of what stands in it."""

    reason: str
    end: str
    limit: str | None = None


_ABOVE = _Kind("FIELD_ABOVE", "above {bound}", "le")
_BELOW = _Kind("FIELD_BELOW", "below {bound}", "ge")
_NO_CHOICE = _Kind("FIELD_NO_CHOICE", "none of {bound}", "expected")
_NO_NUMBER = _Kind("FIELD_NO_NUMBER", "not a whole number")
_NO_BOOLEAN = _Kind("FIELD_NO_BOOLEAN", "neither true nor false")
_NO_OBJECT = _Kind("FIELD_NO_OBJECT", "not a JSON object")
_NO_TIME = _Kind("FIELD_NO_TIME", "not a time with a zone, such as 2026-11-21T12:00:00Z")
_NO_UUID = _Kind("FIELD_NO_UUID", "not a UUID of 8-4-4-4-12 hexadecimal digits")
_NO_RUNS = _Kind("FIELD_NO_RUNS", "not runs and ranges such as 5,7-12")
_WRONG = _Kind("FIELD_WRONG", "not what it should be")

_PATTERNS = {FUID_PATTERN: _NO_UUID, RUNS_PATTERN: _NO_RUNS}
_KINDS: Mapping[str, _Kind] = {
    "less_than_equal": _ABOVE,
    "greater_than_equal": _BELOW,
    "literal_error": _NO_CHOICE,
    "enum": _NO_CHOICE,
    "string_too_long": _Kind("FIELD_TOO_LONG", "longer than {bound} characters", "max_length"),
    "string_too_short": _Kind("FIELD_TOO_SHORT", "shorter than {bound} characters", "min_length"),
    "too_long": _Kind("FIELD_TOO_MANY", "more than {bound} values", "max_length"),
    "bool_parsing": _NO_BOOLEAN,
    "bool_type": _NO_BOOLEAN,
    "int_from_float": _NO_NUMBER,
    "int_parsing": _NO_NUMBER,
    "int_parsing_size": _NO_NUMBER,
    "int_type": _NO_NUMBER,
    "string_type": _Kind("FIELD_NO_TEXT", "not a text"),
    "list_type": _Kind("FIELD_NO_LIST", "not a list"),
    "dict_type": _NO_OBJECT,
    "model_type": _NO_OBJECT,
    "model_attributes_type": _NO_OBJECT,
    "timezone_aware": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "datetime_type": _NO_TIME,
    "uuid_parsing": _NO_UUID,
}


def wrong_fields(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return field, value and sentence of each of pydantic's errors."""
    return [_wrong_field(error) for error in errors]


def _wrong_field(error: Mapping[str, Any]) -> dict[str, str]:
    place = [str(part) for part in error["loc"]]
    field = ".".join(place[1:]) or place[0]
    value = short(error.get("input"))
    return {"field": field, "value": value, "detail": _sentence(error, field, value)}


def _sentence(error: Mapping[str, Any], field: str, value: str) -> Told:
    kind = error["type"]
    limits = error.get("ctx", {})
    if kind == "missing":
        return told("FIELD_NEEDED", "{field} is needed", field=field)
    if kind == "extra_forbidden":
        return told("FIELD_NOT_TAKEN", "{field} is not a parameter of this call", field=field)
    if kind == "json_invalid":
        problem = limits.get("error", "")
        return told("BODY_NO_JSON", "the body is no JSON: {problem}", problem=problem)
    if kind == "value_error":
        own = limits["error"]
        return told(
            "FIELD_WRONG_AS", "{field} is {value}: {why}", field=field, value=value, why=own
        )
    if kind == "string_pattern_mismatch":
        found = _PATTERNS.get(limits["pattern"], _WRONG)
    else:
        found = _KINDS.get(kind, _WRONG)
    bound = _bound(limits[found.limit]) if found.limit else ""
    template = "{field} is {value}: " + found.end
    return told(
        found.reason, template, field=field, value=value, **({"bound": bound} if bound else {})
    )


def _bound(limit: Any) -> str:
    """Return a limit as people write it; pydantic gives choices in quotes."""
    if isinstance(limit, str):
        return limit.replace("'", "").replace(" or ", ", ")
    return _POWERS.get(limit, f"{limit}")
