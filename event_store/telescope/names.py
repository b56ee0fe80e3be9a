"""The collections, datasets and RAW files of telescopes: names and ids, and their lines. Pure.

Each telescope counts its runs from 1, so each has a collection of its own. Nobody else writes files
for it: all records of one (detector, run, CosmicBlock) are one RAW file, whose id follows from
these three.
"""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple

# A dataset or collection whose name begins like this is a telescope's.
PREFIX = "cosmic."
# A level of a topic and a part of names: no separators, wildcards or control characters.
_DETECTOR = re.compile(r"[^\x00-\x20\x7f-\xa0/+#\ud800-\udfff]{1,128}")


class Telescope(NamedTuple):
    """The detector and the run of a telescope's dataset."""

    detector_id: str
    run_number: int


class TelescopeFile(NamedTuple):
    """What a RAW file of a telescope holds: one block of a detector's run."""

    detector_id: str
    run_number: int
    block: int | None


def is_detector_id(text: str) -> bool:
    """Return whether a text can name a detector: 1 to 128 characters, no `/`, `+`, `#`, space."""
    return _DETECTOR.fullmatch(text) is not None


def cosmic_collection(detector_id: str) -> str:
    """Return the name of the collection of a detector's events."""
    return f"{PREFIX}{detector_id}"


def detector_of_collection(name: str) -> str:
    """Return the detector whose collection has this name, as it is; "" for other collections."""
    detector = name.removeprefix(PREFIX)
    return detector if detector != name and is_detector_id(detector) else ""


def cosmic_fuid(detector_id: str, run_number: int, block: int | None) -> uuid.UUID:
    """Return the RAW file of a detector's block of a run; the same on every installation."""
    name = f"eventindex:cosmic/{detector_id}/{run_number}/{'-' if block is None else block}"
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


def cosmic_dataset(detector_id: str, run_number: int) -> str:
    """Return the name of the dataset of a detector's run."""
    return f"{PREFIX}{detector_id}.{run_number}"


def telescope_of(name: str) -> Telescope | None:
    """Return what the name of a dataset says; None when it is no telescope's."""
    detector, _, run = name.removeprefix(PREFIX).rpartition(".")
    telescope = name.startswith(PREFIX) and detector and run.isascii() and run.isdigit()
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
