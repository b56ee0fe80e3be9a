"""The epochs of telescopes whose clocks do not count from the default day. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

_DETECTOR = re.compile(r"[^\x00-\x20\x7f-\xa0/+#,=]{1,128}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DETECTORS_MAX = 10_000


def parse_epochs(text: str) -> Mapping[str, datetime.date]:
    """Return the day for each detector of `<detector>=<day>,…`, such as `7=1970-01-01`.

    Raises:
        ValueError: names the entry that cannot be one.
    """
    epochs: dict[str, datetime.date] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        detector, _, day = (part.strip() for part in entry.rpartition("="))
        if not _DETECTOR.fullmatch(detector):
            raise _wrong(entry, f"{detector!r} cannot be a detector id")
        if detector in epochs:
            raise _wrong(entry, f"detector {detector!r} is there twice")
        if len(epochs) == _DETECTORS_MAX:
            raise _wrong(entry, f"more than {_DETECTORS_MAX} detectors")
        epochs[detector] = _day(entry, day)
    return epochs


def _day(entry: str, day: str) -> datetime.date:
    try:
        if _DAY.fullmatch(day):
            return datetime.date.fromisoformat(day)
    except ValueError:
        pass
    raise _wrong(entry, f"{day!r} is not a day such as 1970-01-01")


def _wrong(entry: str, why: str) -> ValueError:
    return ValueError(f"EVENTINDEX_COSMIC_EPOCHS has {entry!r}: {why}")
