"""ROOT files of `load`: which can be read, their events in blocks, the names of their criteria."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np

from eventindex.cli.event_files.opening import InputFile, OpenFile
from eventindex.cli.event_files.rows import BadRow, EventBlock, Report
from eventindex.cli.shared.common import Failure, note
from eventindex.client import Client
from eventindex.columns import EventColumns
from eventindex.root_files.branches import Wanted
from eventindex.root_files.errors import CriteriaError, RootFileError
from eventindex.root_files.events import EventTree, Step, find_tree, problem_of, read_steps
from eventindex.root_files.names import storable_name
from eventindex.root_files.opening import is_address, open_root, require_uproot
from eventindex.values import RawFile

FORM = "root"
_PROBED_TOGETHER_MAX = 8
# ROOT calls a row of a tree an entry and counts from 0.
_UNIT = "entry"


@dataclass(slots=True)
class RootInputs:
    """The ROOT files among the inputs.

    Attributes:
        wanted: what to read from them.
        dsid_raw: the dataset of their events.
        seconds_max: longest wait for remote storage.
        places: what was named on the command line.
        unreadable: how many were named and passed over.
    """

    wanted: Wanted
    dsid_raw: int | None
    seconds_max: float
    places: tuple[str, ...] = ()
    unreadable: int = 0
    _criteria: tuple[str, tuple[str, ...]] | None = field(default=None)

    def readable(self, inputs: Iterable[InputFile]) -> list[InputFile]:
        """Return the inputs without the ROOT files that cannot be loaded, and name those.

        Raises:
            Failure: uproot is not installed.
            click.UsageError: there is no dataset for their events.
        """
        inputs = list(inputs)
        if not any(file.form == FORM for file in inputs):
            return inputs
        if self.dsid_raw is None:
            raise click.UsageError("ROOT files do not say their dataset: give --dsid")
        try:
            require_uproot()
        except ModuleNotFoundError as error:
            raise Failure(str(error)) from error
        inputs = _without_repeats(inputs)
        roots = [file for file in inputs if file.form == FORM]
        with ThreadPoolExecutor(_PROBED_TOGETHER_MAX, "eventindex-probe") as pool:
            found = dict(zip(roots, pool.map(self._probe, roots), strict=True))
        by_uuid: dict[str, list[InputFile]] = {}
        for file, probe in found.items():
            if isinstance(probe, RootFileError):
                self.refuse(file.path, probe)
            else:
                by_uuid.setdefault(probe[0], []).append(file)
        for uuid, files in by_uuid.items():
            if len(files) > 1:
                self._refuse_copies(uuid, files)
        sizes = {
            files[0]: probe[1]
            for files in by_uuid.values()
            if len(files) == 1 and not isinstance(probe := found[files[0]], RootFileError)
        }
        return [
            replace(file, size_bytes=sizes[file]) if file in sizes else file
            for file in inputs
            if file.form != FORM or file in sizes
        ]

    def refuse(self, path: str, error: RootFileError) -> None:
        """Name a file that is passed over."""
        note(f"eventindex: {path}: {error}")
        self.unreadable += 1

    def _refuse_copies(self, uuid: str, files: list[InputFile]) -> None:
        for file in files:
            others = ", ".join(other.path for other in files if other is not file)
            self.refuse(file.path, RootFileError(f"has the UUID {uuid}, as has {others}"))

    def _probe(self, file: InputFile) -> tuple[str, int] | RootFileError:
        try:
            with open_root(file.path, self.seconds_max) as opened:
                return opened.uuid, opened.size_bytes
        except RootFileError as error:
            return error

    @contextmanager
    def open(self, file: InputFile, client: Client | None) -> Iterator[tuple[EventTree, OpenFile]]:
        """Open a file, and see to it that the index knows its criteria by their bits.

        Raises:
            RootFileError: it cannot be read, or its criteria are not those of the first file.
            click.UsageError: the criteria are too many, or at odds with those of the index.
        """
        with open_root(file.path, self.seconds_max) as opened:
            try:
                tree = find_tree(opened, self.wanted)
                self._hold_criteria(file.path, tree.columns.criteria, client)
            except CriteriaError as error:
                raise click.UsageError(str(error)) from error
            yield tree, OpenFile(BytesIO(), BytesIO(), opened.size_bytes, 0.0)

    def blocks(self, tree: EventTree, opened: OpenFile, report: Report) -> Iterator[EventBlock]:
        """Yield the events of a tree; bad entries are reported."""
        file = RawFile(
            tree.file.uuid,
            self.dsid_raw or 0,
            name=storable_name(tree.file.address, self.places),
            bytes=tree.file.size_bytes,
        )
        for step in read_steps(tree, self.wanted.run_number):
            yield _block(step, tree, file, report)
            opened.at((step.entry_first + len(step.events)) / tree.entries)

    def _hold_criteria(self, path: str, names: tuple[str, ...], client: Client | None) -> None:
        if self._criteria is None:
            if names and client is not None:
                register_criteria(client, names)
            self._criteria = (path, names)
        first, held = self._criteria
        if names != held:
            others = sorted(set(names) ^ set(held)) or ["their order"]
            raise RootFileError(f"its criteria are not those of {first}: {', '.join(others[:10])}")


def register_criteria(client: Client, names: tuple[str, ...]) -> None:
    """Name the bits of `olt_result`, from run 0 on, where the index has no name for them.

    Raises:
        CriteriaError: a bit has another name, or a name another bit.
    """
    known = client.criteria()
    new = []
    for bit, name in enumerate(names):
        for criterion in known:
            if (criterion.bit == bit) != (criterion.name == name):
                raise CriteriaError(
                    f"{name} would be bit {bit}, but in the index bit {criterion.bit} is "
                    f"{criterion.name}"
                )
        if not any(criterion.bit == bit for criterion in known):
            new.append((bit, name))
    for bit, name in new:
        client.set_criterion(bit, name)


def _block(step: Step, tree: EventTree, file: RawFile, report: Report) -> EventBlock:
    def row(index: int) -> dict[str, object]:
        return {name: _value(column[index]) for name, column in step.arrays.items()}

    keep: Any = slice(None)
    if step.bad is not None:
        for index in np.flatnonzero(step.bad).tolist():
            problem = problem_of(step, index, tree.columns)
            report(BadRow(step.entry_first + index, problem, row(index), _UNIT))
        keep = ~step.bad
    places = np.arange(len(step.events), dtype=np.int64)[keep]
    columns = EventColumns(
        files=[file],
        run_numbers=step.runs if len(step.runs) == 1 else step.runs[keep],
        event_numbers=step.events[keep],
        file_indexes=np.ones(len(places), np.uint32),
        olt_results=None if step.olt is None else step.olt[keep],
    )
    return EventBlock(
        columns, places + step.entry_first, lambda index: row(int(places[index])), _UNIT
    )


def _value(value: Any) -> object:
    return value.item() if hasattr(value, "item") else value


def _without_repeats(inputs: Iterable[InputFile]) -> list[InputFile]:
    """Return the inputs, a ROOT file that several names stand for only once."""
    found: dict[str, InputFile] = {}
    for place, file in enumerate(inputs):
        if file.form != FORM:
            key = str(place)
        else:
            key = file.path if is_address(file.path) else str(Path(file.path).resolve())
        found.setdefault(f"{file.form}:{key}", file)
    return list(found.values())
