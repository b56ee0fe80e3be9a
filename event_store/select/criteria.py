"""The names of the bits of `olt_result`: which name a bit has in which runs. Pure, but `read`."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Criterion(NamedTuple):
    """The name of a bit (0 to 63) from a run on, until the bit gets another one."""

    bit: int
    first_run: int
    name: str


class Criteria:
    """The names by run. Between two changes of any name lies an *epoch* of equal names."""

    def __init__(self, criteria: Sequence[Criterion]) -> None:
        self._criteria = sorted(criteria, key=lambda criterion: criterion.first_run)
        self._starts = sorted({criterion.first_run for criterion in criteria})

    def epoch(self, run_number: int) -> int:
        """Return the epoch of a run: runs of the same epoch have the same names."""
        return bisect.bisect_right(self._starts, run_number)

    def names(self, epoch: int) -> dict[int, str]:
        """Return the name of each bit that has one in an epoch."""
        if epoch == 0:
            return {}
        start = self._starts[epoch - 1]
        return {c.bit: c.name for c in self._criteria if c.first_run <= start}


def read(cursor: Cursor) -> Criteria:
    """Return the criteria of the database."""
    cursor.execute("SELECT bit, first_run, name FROM olt_criterion")
    return Criteria([Criterion(*row) for row in cursor.fetchall()])
