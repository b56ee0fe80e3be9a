"""Arguments that are one of a few words: a wrong one is answered with the words. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn


class CountChoice(StrEnum):
    """What to count by."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise ValueError(f"by is {value!r}, none of {', '.join(cls)}")


class CountBy(CountChoice):
    """What to count by."""

    RUN = "run"
    DATASET = "dataset"
    FILE = "file"
    BIT = "bit"
    OVERLAP = "overlap"
