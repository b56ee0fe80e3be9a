"""The fields of a telescope's record: which type and range each may have. Pure."""

from __future__ import annotations

import re

from event_store.telescope.names import is_detector_id
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
        raise RefusedError(Reason.WRONG_FIELDS, f"{name} is missing")
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
                Reason.WRONG_DETECTOR, "DetectorId is null and nothing else names it"
            )
        return expected
    if type(value) is int:
        found = str(number("DetectorId", value))
    elif isinstance(value, str):
        found = value
    else:
        raise RefusedError(
            Reason.WRONG_TYPE, f"DetectorId is {describe(value)}, not an integer or a text"
        )
    if not is_detector_id(found):
        raise RefusedError(Reason.OUT_OF_RANGE, f"{describe(found)} cannot be a DetectorId")
    if expected and found != expected:
        raise RefusedError(
            Reason.WRONG_DETECTOR,
            f"DetectorId is {describe(found)}, but the sender is detector {describe(expected)}",
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
            Reason.OUT_OF_RANGE, f"TDC has {len(channels)} channels, more than {_CHANNELS_MAX}"
        )
    return {name: _channel(name, value) for name, value in channels.items()}


def _channel(name: str, value: object) -> dict[str, object] | None:
    if not _CHANNEL_NAME.fullmatch(name):
        raise RefusedError(Reason.OUT_OF_RANGE, f"TDC has a channel named {describe(name)}")
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
        raise RefusedError(Reason.WRONG_TYPE, f"{path} is {describe(value)}, not an array")
    if len(value) > _VALUES_MAX:
        raise RefusedError(
            Reason.OUT_OF_RANGE, f"{path} has {len(value)} values, more than {_VALUES_MAX}"
        )
    return [
        None if item is None else number(f"{path}[{index}]", item, INT64_MIN, INT64_MAX)
        for index, item in enumerate(value)
    ]


def _object(value: object, path: str) -> _Fields | None:
    if value is None or isinstance(value, dict):
        return value
    raise RefusedError(Reason.WRONG_TYPE, f"{path} is {describe(value)}, not an object")
