"""Events of text files, held to the contract: integers only, canonical UUIDs, no repeated keys.

Pure: no I/O.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from eventindex.file_names import bytes_problem, checksum_problem, name_problem
from eventindex.limits import DSID_MAX, NUMBER_MAX, OLT_MAX
from eventindex.strict_json import STRICT, StrictJsonError
from eventindex.text_rows import EVENT_FIELDS, FILE_FIELDS
from eventindex.uuids import is_canonical_uuid, uuid_hint

FIELDS = EVENT_FIELDS
# Those, and what a file may say of the RAW file of each event.
ALL_FIELDS = (*EVENT_FIELDS, *FILE_FIELDS)
NUMBER_MAXIMA = {
    "run_number": NUMBER_MAX,
    "event_number": NUMBER_MAX,
    "olt_result": OLT_MAX,
    "dsid_raw": DSID_MAX,
}
_DIGITS = re.compile(r"[0-9]{1,1000}", re.ASCII)
_SIGNED = re.compile(r"-?[0-9]{1,1000}", re.ASCII)
# PostgreSQL has no unsigned type: its view `events` gives the 64 bits as a signed number.
_SIGNED_MIN = -(2**63)


class BadFieldError(ValueError):
    """A field of a row that cannot be stored: its name and what is wrong."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}" if name else problem)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a file."""

    run_number: int
    event_number: int
    olt_result: int
    dsid_raw: int
    fuid_raw: str
    file_name: str = ""
    file_bytes: int = 0
    file_checksum: str = ""


def checked_number(name: str, value: object) -> int:
    """Return an integer within the range of its field; of signed bits the same as unsigned ones.

    Raises:
        BadFieldError: another type or out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFieldError(name, f"{shorten(value)} is not an integer")
    if name == "olt_result" and _SIGNED_MIN <= value < 0:
        return value + 2**64
    if not 0 <= value <= NUMBER_MAXIMA[name]:
        raise BadFieldError(name, f"{value} is outside 0 to {NUMBER_MAXIMA[name]}")
    return value


def parsed_number(name: str, text: str) -> int:
    """Return the integer that a text of digits stands for, within the range of its field."""
    stripped = text.strip()
    form = _SIGNED if name == "olt_result" else _DIGITS
    if not form.fullmatch(stripped):
        raise BadFieldError(name, f"{shorten(text)} is not an integer from 0 on")
    return checked_number(name, int(stripped))


def checked_uuid(name: str, value: object) -> str:
    """Return a UUID in canonical form."""
    if not isinstance(value, str) or not is_canonical_uuid(value):
        raise BadFieldError(name, f"{shorten(value)} is not a UUID{uuid_hint(value)}")
    return value


def checked_file_field(name: str, value: object) -> str | int:
    """Return what is said of a RAW file; "" and 0 where it is null or empty, and so not known.

    Raises:
        BadFieldError: another type, or a value that cannot be.
    """
    size = name == "file_bytes"
    if value is None or value == "":
        return 0 if size else ""
    if size:
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadFieldError(name, f"{shorten(value)} is not an integer")
        problem = bytes_problem(value)
    elif not isinstance(value, str):
        raise BadFieldError(name, f"{shorten(value)} is not text")
    else:
        problem = name_problem(value) if name == "file_name" else checksum_problem(value)
    if problem:
        raise BadFieldError(name, problem)
    return value


def parsed_file_field(name: str, text: str) -> str | int:
    """Return what the cell of a table says of a RAW file."""
    stripped = text.strip()
    if name != "file_bytes" or not stripped:
        return checked_file_field(name, stripped)
    if not _DIGITS.fullmatch(stripped):
        raise BadFieldError(name, f"{shorten(text)} is not an integer from 0 on")
    return checked_file_field(name, int(stripped))


def parse_json_object(line: bytes) -> dict[str, object]:
    """Return the object of a JSON line.

    Raises:
        BadFieldError: not UTF-8, not JSON, no object, a repeated key, NaN or Infinity.
    """
    try:
        value = STRICT.decode(line.decode())
    except StrictJsonError as error:
        raise BadFieldError("", f"not JSON: {error}") from None
    except RecursionError:
        raise BadFieldError("", "nested too deeply") from None
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos + 1}"
        raise BadFieldError("", f"not JSON: {problem}") from None
    except UnicodeDecodeError as error:
        raise BadFieldError("", f"not UTF-8 at byte {error.start + 1}") from None
    if not isinstance(value, dict):
        raise BadFieldError("", f"{shorten(value)} is not an object")
    return value


def shorten(value: object) -> str:
    """Return a value as it may stand in a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
