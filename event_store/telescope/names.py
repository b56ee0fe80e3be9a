"""The RAW files of telescopes: their ids and datasets, and their lines. Pure.

Nobody else writes files for a telescope: all records of one (detector, run, CosmicBlock) are one
RAW file, whose id follows from these three.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple


class TelescopeFile(NamedTuple):
    """What a RAW file of a telescope holds: one block of a detector's run."""

    detector_id: str
    run_number: int
    block: int | None


def cosmic_fuid(detector_id: str, run_number: int, block: int | None) -> uuid.UUID:
    """Return the RAW file of a detector's block of a run; the same on every installation."""
    name = f"eventindex:cosmic/{detector_id}/{run_number}/{'-' if block is None else block}"
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def cosmic_dataset(detector_id: str, run_number: int) -> str:
    """Return the name of the dataset of a detector's run."""
    return f"cosmic.{detector_id}.{run_number}"


def line_of(payload: bytes, *, repaired: bool) -> str:
    """Return a record as it came, as one line of well-formed JSON.

    Args:
        payload: a record that was stored, UTF-8.
        repaired: it opens with the firmware's `[` and closes with `}`.
    """
    text = payload.decode().strip()
    if repaired:
        text = "{" + text[1:]
    # JSON has line ends between its tokens only, never inside a text.
    return text.replace("\r", " ").replace("\n", " ")
