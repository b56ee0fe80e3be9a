"""What is asked of a pick, and what became of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from eventindex.collection_names import RAW
from eventindex.limits import FILES_TOGETHER, STORAGE_SECONDS_MAX
from eventindex.root_files.branches import Wanted

if TYPE_CHECKING:
    from eventindex.pairs import Int64

Order = Literal["list", "file"]


@dataclass(frozen=True, slots=True)
class PickOptions:
    """How to pick.

    Attributes:
        files: paths, patterns, directories and addresses to look for the files in; what is not
            there, or all where there are none, is opened at the address that the index has of it.
        branches: names and patterns; None: all branches.
        wanted: the tree and the branches of run and event number, as in `load`.
        collection: whose files hold the events.
        order: of the events in the output: as in the list, or as in the files.
        per_file: a file for each input file, in the directory that is the output.
        files_together: input files that are read at a time.
        seconds_max: longest wait for an answer of remote storage.
        work: the work directory; None: beside the output, removed when all is done.
    """

    files: Sequence[str]
    branches: tuple[str, ...] | None = None
    wanted: Wanted = field(default_factory=Wanted)
    collection: str = RAW
    order: Order = "list"
    per_file: bool = False
    files_together: int = FILES_TOGETHER
    seconds_max: float = STORAGE_SECONDS_MAX
    work: Path | None = None


class FileOutcome(NamedTuple):
    """What became of the events of one input file.

    Attributes:
        fuid_raw: its id.
        address: where it was found; "" if it was not.
        wanted: events that the index says it holds.
        picked: entries that were picked; an event may have several.
        missing: places in the list of the events that the file does not hold, int64.
        problem: why it could not be read, "" if it could.
        output: the file that was written for it alone, None without `per_file`.
    """

    fuid_raw: str
    address: str
    wanted: int
    picked: int
    missing: Int64
    problem: str = ""
    output: Path | None = None


@dataclass
class PickReport:
    """What was picked and what was not.

    Attributes:
        pairs: the distinct events of the list: (runs, events).
        files: the outcome of each input file.
        not_found: places among `pairs` of the events that the index does not hold.
        unreadable: files that were looked at and could not be read, with the reason.
        left_out: branches that cannot be read or written.
    """

    pairs: tuple[Int64, Int64]
    files: list[FileOutcome] = field(default_factory=list)
    not_found: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def picked(self) -> int:
        """Return how many entries were picked."""
        return sum(file.picked for file in self.files)

    @property
    def complete(self) -> bool:
        """Whether every event of the list was picked."""
        return not len(self.not_found) and not any(f.problem or len(f.missing) for f in self.files)


def first_problem(report: PickReport) -> str:
    """Return in words why a pick is not complete."""
    runs, events = report.pairs
    if len(report.not_found):
        at = int(report.not_found[0])
        return (
            f"{len(report.not_found)} events are not in the index; the first is run {runs[at]} "
            f"event {events[at]}"
        )
    for file in report.files:
        if file.problem:
            return f"{file.address or file.fuid_raw}: {file.problem}"
        if len(file.missing):
            at = int(file.missing[0])
            return f"{file.address} does not hold run {runs[at]} event {events[at]}"
    raise AssertionError("nothing is wrong")


def output_name(outcome: FileOutcome, files: Sequence[FileOutcome]) -> str:
    """Return the name of an input file, with its id where another file is called the same."""
    name = Path(outcome.address).name
    same = sum(Path(file.address).name == name for file in files)
    return name if same == 1 else f"{Path(name).stem}.{outcome.fuid_raw}{Path(name).suffix}"
