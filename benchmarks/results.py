"""What was measured, as values: figures, tables of them, and the files that hold them."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

OURS = "EventIndex"


class WrongAnswerError(Exception):
    """A system answered something else than the truth: the end of the benchmark."""


@dataclass(frozen=True)
class Figure:
    """One number: what a system did in one case.

    Attributes:
        measurement: the module that measured it.
        case: what was done, the row of the table.
        system: who did it, the column of the table.
        unit: what is counted.
        samples: repeated measurements; the value is their median.
        data: what the system held; systems are compared where it is the same.
        less_is_better: bytes and seconds, in contrast to rates.
        x, x_name: place on the axis of a plot, for figures that form a curve; what it counts.
    """

    measurement: str
    case: str
    system: str
    unit: str
    samples: Sequence[float]
    data: str
    less_is_better: bool = False
    x: float | None = None
    x_name: str = ""

    @property
    def value(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)


def ratio(ours: Figure, theirs: Figure) -> float:
    """Return how many times better ours is: the median of samples that were taken in turn."""
    pairs = [(ours.value, theirs.value)]
    if len(ours.samples) == len(theirs.samples):
        pairs = list(zip(ours.samples, theirs.samples, strict=True))
    quotients = [b / a if ours.less_is_better else a / b for a, b in pairs if a and b]
    return statistics.median(quotients) if quotients else float("nan")


@dataclass(frozen=True)
class Report:
    """All figures of a run of the benchmark, and the machine."""

    machine: dict[str, str]
    figures: Sequence[Figure]

    def write(self, directory: Path) -> None:
        """Write results.json with every sample and figures.csv with the medians."""
        content = {
            "machine": self.machine,
            "figures": [asdict(figure) | {"value": figure.value} for figure in self.figures],
        }
        (directory / "results.json").write_text(json.dumps(content, indent=1) + "\n")
        with (directory / "figures.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["measurement", "data", "case", "system", "unit", "value", "samples"])
            for one in self.figures:
                rows.writerow(
                    [
                        *(one.measurement, one.data, one.case, one.system, one.unit),
                        *(f"{one.value:.6g}", len(one.samples)),
                    ]
                )
