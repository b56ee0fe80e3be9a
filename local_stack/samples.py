"""The sample events of the demonstration: three of a telescope, and generated runs 1 to 99.

The same at every call, so that a second demonstration finds duplicates. Never sends anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np
import numpy.typing as npt

from eventindex.columns import EventColumns
from eventindex.generate import Plan, generate

TELESCOPE_RUN = 12345
TELESCOPE_DETECTOR = "0"
TELESCOPE_EVENTS = (4917, 4918, 4919)
RUNS = range(1, 100)


def telescope_lines() -> list[bytes]:
    """Return the lines of `dump.dat`, as the telescope's firmware writes them."""
    dump = resources.files("local_stack").joinpath("samples", "dump.dat").read_bytes()
    return [line for line in dump.splitlines() if line.strip()]


def generated_events() -> list[EventColumns]:
    """Return one batch a run, about 900 events each.

    The plan is that of `eventindex generate` without options, so that loading its output beside
    the samples gives duplicates and no conflicts.
    """
    return list(generate(Plan(run_first=RUNS[0], runs=len(RUNS))))


def generated_pairs(
    batches: Sequence[EventColumns],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return runs and events of the batches: two int64 arrays of one length."""
    runs = [np.asarray(batch.run_numbers, np.int64) for batch in batches]
    events = [np.asarray(batch.event_numbers, np.int64) for batch in batches]
    return np.concatenate(runs), np.concatenate(events)
