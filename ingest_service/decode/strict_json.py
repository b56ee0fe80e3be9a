"""JSON as RFC 8259 has it and no wider: UTF-8, no NaN, no repeated keys. Pure.

Python's own decoder takes more than the standard, and some of what it takes it cannot store.
"""

from __future__ import annotations

import json
import re

from eventindex.strict_json import STRICT, StrictJsonError
from eventindex.told import told

__all__ = [
    "StrictJsonError",
    "array_elements",
    "end_of_value",
    "single_value",
    "skip_blanks",
    "text_of",
    "value_at",
]

_BLANKS = re.compile(r"[ \t\r\n]*")
# Used only to find where a value ends: takes any number and any keys.
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str)


def text_of(payload: bytes) -> str:
    """Return the text of a payload.

    Raises:
        StrictJsonError: it is not UTF-8.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise StrictJsonError(
            told("NOT_UTF8", "not UTF-8 at byte {position}", position=error.start)
        ) from None


def skip_blanks(text: str, at: int) -> int:
    """Return the index of the next character that is not white space."""
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def value_at(text: str, at: int) -> tuple[object, int]:
    """Return the value that starts at an index, and the index after it.

    Raises:
        StrictJsonError: the text there is not strict JSON.
    """
    try:
        return STRICT.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise StrictJsonError(
            told(
                "NOT_JSON",
                "not JSON at character {position}: {problem}",
                problem=error.msg,
                position=error.pos,
            )
        ) from None
    except RecursionError:
        raise StrictJsonError(told("NESTED_TOO_DEEPLY", "nested too deeply")) from None


def end_of_value(text: str, at: int) -> int | None:
    """Return the index after the value that starts at an index, None where none can be read."""
    try:
        return _LENIENT.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None


def single_value(text: str) -> object:
    """Return the one value of a text.

    Raises:
        StrictJsonError: the text is not one strict JSON value.
    """
    value, end = value_at(text, skip_blanks(text, 0))
    end = skip_blanks(text, end)
    if end != len(text):
        raise StrictJsonError(
            told(
                "TEXT_BEHIND_VALUE",
                "more text after the value, at character {position}",
                position=end,
            )
        )
    return value


def array_elements(payload: bytes, elements_max: int) -> list[bytes] | None:
    """Return the elements of an array as they came, strict JSON or not; None of what is no array.

    Where an element ends has to be seen: one that is broken makes it no array. Of an array of more
    than `elements_max` one more is returned, and what is behind it is not looked at.
    """
    if not (payload[:1] == b"[" and payload[-1:] == b"]"):
        return None
    try:
        text = text_of(payload)
    except StrictJsonError:
        return None
    at = skip_blanks(text, 1)
    found: list[bytes] = []
    while at < len(text) - 1 and len(found) <= elements_max:
        end = end_of_value(text, at)
        if end is None:
            return None
        found.append(text[at:end].encode())
        at = skip_blanks(text, end)
        if at < len(text) - 1:
            if text[at] != ",":
                return None
            at = skip_blanks(text, at + 1)
            # Nothing stands behind the last comma.
            if at >= len(text) - 1:
                return None
    return found
