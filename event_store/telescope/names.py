"""The datasets and RAW files of telescopes: their names and ids, and their lines. Pure.

Nobody else writes files for a telescope: all records of one (detector, run, CosmicBlock) are one
RAW file, whose id follows from these three.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

# A dataset whose name begins like this is a telescope's.
DATASET_PREFIX = "cosmic."


class Telescope(NamedTuple):
    """The detector and the run of a telescope's dataset."""

    detector_id: str
    run_number: int


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
    return f"{DATASET_PREFIX}{detector_id}.{run_number}"


def telescope_of(name: str) -> Telescope | None:
    """Return what the name of a dataset says; None when it is no telescope's."""
    detector, _, run = name.removeprefix(DATASET_PREFIX).rpartition(".")
    telescope = name.startswith(DATASET_PREFIX) and detector and run.isascii() and run.isdigit()
    if not telescope:
        return None
    return Telescope(detector, int(run))


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
