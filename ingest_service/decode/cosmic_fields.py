"""The fields of a telescope's record: which type and range each may have. Pure."""

from __future__ import annotations

import re

from event_store.telescope.names import is_detector_id
from eventindex.told import told
from ingest_service.decode.fields import (
    INT64_MAX,
    INT64_MIN,
    UINT64_MAX,
    describe,
    number,
)
from ingest_service.model import Reason, RefusedError

_CHANNELS_MAX = 64
_VALUES_MAX = 64
_CHANNEL_NAME = re.compile(r"[0-9A-Za-z_.-]{1,32}")
_Fields = dict[str, object]


def required_number(fields: _Fields, name: str) -> int:
    """Return the run or event number, 0 to 2^63-1.

    Raises:
        RefusedError: it is missing, not an integer or out of range.
    """
    if name not in fields:
        raise RefusedError(
            Reason.WRONG_FIELDS, told("FIELD_MISSING", "{field} is missing", field=name)
        )
    return number(name, fields[name])


def optional_int64(fields: _Fields, name: str, path: str = "") -> int | None:
    """Return an integer of 64 bits, None where the field is absent or null.

    Raises:
        RefusedError: it is something else.
    """
    value = fields.get(name)
    return None if value is None else number(path + name, value, INT64_MIN, INT64_MAX)


def trigger_bits_of(fields: _Fields) -> int | None:
    """Return the trigger's bit mask, 0 to 2^64-1, or None.

    Raises:
        RefusedError: it is something else.
    """
    value = fields.get("TriggerBits")
    return None if value is None else number("TriggerBits", value, 0, UINT64_MAX)


def detector_of(fields: _Fields, expected: str) -> str:
    """Return the detector of a record: its own or, where that is null, the topic's.

    Raises:
        RefusedError: there is none, or the record names another detector than its topic.
    """
    value = fields.get("DetectorId")
    if value is None:
        if not expected:
            raise RefusedError(
                Reason.WRONG_DETECTOR,
                told("DETECTOR_UNNAMED", "DetectorId is null and nothing else names it"),
            )
        return expected
    if type(value) is int:
        found = str(number("DetectorId", value))
    elif isinstance(value, str):
        found = value
    else:
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "NOT_A_DETECTOR_TYPE",
                "DetectorId is {value}, not an integer or a text",
                value=describe(value),
            ),
        )
    if not is_detector_id(found):
        raise RefusedError(
            Reason.OUT_OF_RANGE,
            told("NOT_A_DETECTOR", "{value} cannot be a DetectorId", value=describe(found)),
        )
    if expected and found != expected:
        raise RefusedError(
            Reason.WRONG_DETECTOR,
            told(
                "WRONG_DETECTOR",
                "DetectorId is {value}, but the sender is detector {expected}",
                value=describe(found),
                expected=describe(expected),
            ),
        )
    return found


def tdc_of(fields: _Fields) -> dict[str, object] | None:
    """Return the channels of the time-to-digital converter, their known fields alone.

    Raises:
        RefusedError: a channel is not an object, or a value in it is not an integer.
    """
    channels = _object(fields.get("TDC"), "TDC")
    if channels is None:
        return None
    if len(channels) > _CHANNELS_MAX:
        raise RefusedError(
            Reason.OUT_OF_RANGE,
            told(
                "TOO_MANY_CHANNELS",
                "TDC has {channels} channels, more than {limit}",
                channels=len(channels),
                limit=_CHANNELS_MAX,
            ),
        )
    return {name: _channel(name, value) for name, value in channels.items()}


def _channel(name: str, value: object) -> dict[str, object] | None:
    if not _CHANNEL_NAME.fullmatch(name):
        raise RefusedError(
            Reason.OUT_OF_RANGE,
            told("BAD_CHANNEL", "TDC has a channel named {name}", name=describe(name)),
        )
    path = f"TDC.{name}"
    channel = _object(value, path)
    if channel is None:
        return None
    found: dict[str, object] = {}
    if "Data" in channel:
        found["Data"] = _data(f"{path}.Data", channel["Data"])
    if "Calib" in channel:
        found["Calib"] = _values(f"{path}.Calib", channel["Calib"])
    for field in ("Calib1", "Calib2"):
        if field in channel:
            found[field] = optional_int64(channel, field, f"{path}.")
    return found


def _data(path: str, value: object) -> object:
    """Return the data: one integer in the dump's shape, an array in the talk's."""
    if value is None or isinstance(value, list):
        return _values(path, value)
    return number(path, value, INT64_MIN, INT64_MAX)


def _values(path: str, value: object) -> list[int | None] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise RefusedError(
            Reason.WRONG_TYPE,
            told(
                "NOT_AN_ARRAY",
                "{field} is {value}, not an array",
                field=path,
                value=describe(value),
            ),
        )
    if len(value) > _VALUES_MAX:
        raise RefusedError(
            Reason.OUT_OF_RANGE,
            told(
                "TOO_MANY_VALUES",
                "{field} has {values} values, more than {limit}",
                field=path,
                values=len(value),
                limit=_VALUES_MAX,
            ),
        )
    return [
        None if item is None else number(f"{path}[{index}]", item, INT64_MIN, INT64_MAX)
        for index, item in enumerate(value)
    ]


def _object(value: object, path: str) -> _Fields | None:
    if value is None or isinstance(value, dict):
        return value
    raise RefusedError(
        Reason.WRONG_TYPE,
        told(
            "NOT_AN_OBJECT", "{field} is {value}, not an object", field=path, value=describe(value)
        ),
    )
