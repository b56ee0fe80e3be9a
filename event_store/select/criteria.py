"""The names of the bits of `olt_result`: which name a bit has in which runs. Pure, but `read`."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor


class Criterion(NamedTuple):
    """The name of a bit (0 to 63) from a run on, until the bit gets another one."""

    bit: int
    first_run: int
    name: str


def clash(known: Iterable[Criterion], new: Criterion) -> Criterion | None:
    """Return a name of another bit that `new` would share in some run; None where there is none."""
    known = list(known)
    new_end = _end(known, new)
    for other in known:
        if other.bit == new.bit or other.name != new.name:
            continue
        if other.first_run < new_end and new.first_run < _end(known, other):
            return other
    return None


def _end(known: Sequence[Criterion], one: Criterion) -> float:
    """Return the run in which a bit gets its next name."""
    later = (c.first_run for c in known if c.bit == one.bit and c.first_run > one.first_run)
    return min(later, default=math.inf)


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
