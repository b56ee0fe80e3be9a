"""The one form of a RAW file id as text. Pure; also for the services."""

from __future__ import annotations

import re

CANONICAL_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CANONICAL = re.compile(CANONICAL_UUID, re.ASCII)


def is_canonical_uuid(text: str) -> bool:
    """Return whether a text is a UUID as 8-4-4-4-12 hexadecimal digits, and nothing else."""
    return _CANONICAL.fullmatch(text) is not None


_DIGITS = re.compile("[0-9a-fA-F]{32}", re.ASCII)
_AROUND = str.maketrans("", "", "{}()-")


def uuid_hint(value: object) -> str:
    """Return how a UUID in another form is to be written, for the end of a message; or ""."""
    if not isinstance(value, str) or is_canonical_uuid(value):
        return ""
    digits = value.strip().removeprefix("urn:uuid:").translate(_AROUND)
    if not _DIGITS.fullmatch(digits):
        return ""
    places = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    return f" (write {'-'.join(digits[first:end] for first, end in places)})"


def why_no_uuid(value: object) -> str:
    """Return what is wrong with a file id; "" where nothing is."""
    if isinstance(value, str) and is_canonical_uuid(value):
        return ""
    return f"is {str(value)[:60]!r}, not a UUID{uuid_hint(value)}"
