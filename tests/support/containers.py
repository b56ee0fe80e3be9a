"""Columns of events in containers, and values that are none."""

from __future__ import annotations

from typing import Any

import numpy as np

from eventindex import EventColumns, RawFile
from tests.support.client import fuid

MASKED = np.ma.array([4, 5, 6], mask=[False, False, True])


def with_columns(**changed: Any) -> EventColumns:
    plain: dict[str, Any] = {
        "run_numbers": [1, 1, 1],
        "event_numbers": [4, 5, 6],
        "file_indexes": [1, 1, 1],
        "olt_results": [0, 1, 2],
    }
    return EventColumns([RawFile(fuid(1), 7)], **(plain | changed))
