"""The one form of a RAW file id as text. Pure; also for the services."""

from __future__ import annotations

import re

CANONICAL_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CANONICAL = re.compile(CANONICAL_UUID, re.ASCII)


def is_canonical_uuid(text: str) -> bool:
    """Return whether a text is a UUID as 8-4-4-4-12 hexadecimal digits, and nothing else."""
    return _CANONICAL.fullmatch(text) is not None
