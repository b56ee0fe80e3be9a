"""What a selection means, event by event."""

from __future__ import annotations

import uuid

import numpy as np

from event_store.select.selection import (
    Selection,
)


def brute_force(selection, events, index, olt, files):
    """Which events a selection takes, by comparing arrays."""
    dsids = np.array([file.dsid for file in files])[index]
    fuids = np.array([file.fuid.bytes.hex() for file in files])[index]
    wanted = (events >= selection.event_first) & (events <= selection.event_last)
    if selection.dsid is not None:
        wanted &= dsids == selection.dsid
    if selection.fuid is not None:
        wanted &= fuids == selection.fuid.hex()
    every, some, none = (
        np.uint64(mask) for mask in (selection.olt_all, selection.olt_any, selection.olt_none)
    )
    wanted &= (olt & every) == every
    if some:
        wanted &= (olt & some) != 0
    return wanted & ((olt & none) == 0)


def as_selection(fields):
    renamed = dict(fields)
    if "fuid_raw" in renamed:
        renamed["fuid"] = uuid.UUID(renamed.pop("fuid_raw")).bytes
    if "dsid_raw" in renamed:
        renamed["dsid"] = renamed.pop("dsid_raw")
    return Selection(**renamed)
