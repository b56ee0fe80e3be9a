"""Picking: a list of events, looked up, read out of the ROOT files that hold them, written again.

What an input file gave is kept in a work directory until everything is written, so that an
interrupted pick goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eventindex.pairs import Int64, PairsLike, to_pairs
from eventindex.root_files.entries import find_entries, layout_of, read_entries
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.events import find_tree
from eventindex.root_files.locate import locate
from eventindex.root_files.opening import open_root, require_uproot
from eventindex.root_files.output import open_output
from eventindex.root_files.parts import (
    UUID_CACHE,
    PickedFile,
    WorkDirectory,
    difference_of,
    joined,
)
from eventindex.root_files.pick_report import (
    FileOutcome,
    PickOptions,
    PickReport,
    first_problem,
    output_name,
)
from eventindex.root_files.places import PairPlaces

if TYPE_CHECKING:
    from eventindex.client import Client

# Events that are put in order and written at a time.
_EVENTS_PER_WRITE = 10_000
# Pieces that are held while events of several are put in order.
_PIECES_HELD_MAX = 4
Progress = Callable[[int, int, str], None]


def pick(
    client: Client,
    pairs: PairsLike,
    output: str | Path,
    options: PickOptions,
    progress: Progress = lambda *_: None,
) -> PickReport:
    """Write the events of a list, out of the ROOT files that hold them, into one file.

    Args:
        client: asks the index for the files.
        pairs: as in `Client.lookup`; an event that is there twice is picked once.
        output: a ROOT file or, by its ending, a Parquet file; a directory with `per_file`.
        options: where the files are, and what of them.
        progress: is called with steps done, steps in all, and what it is about.

    Raises:
        EventIndexError: the index does not answer.
        ModuleNotFoundError: uproot is not installed; says how.
        OSError: the output cannot be written.
    """
    path = Path(output)
    own = path.with_name(f".{path.name}.work")
    work = WorkDirectory(options.work or own)
    job = _Job(client, options, work, progress)
    report = job.collect(PairPlaces(to_pairs(pairs)))
    job.write(path, report)
    if report.complete or not job.picked:
        work.clear(everything=options.work is None)
    return report


def pick_arrays(client: Client, pairs: PairsLike, options: PickOptions) -> Any:
    """Return the events of a list as an awkward array of records, in the order of the list.

    Raises:
        LookupError: some are not in the index or cannot be read; names the first.
        EventIndexError: the index does not answer.
    """
    import awkward as ak  # noqa: PLC0415  # may lack

    with tempfile.TemporaryDirectory(prefix="eventindex-pick-") as directory:
        job = _Job(client, options, WorkDirectory(Path(directory)), lambda *_: None)
        report = job.collect(PairPlaces(to_pairs(pairs)))
        if not report.complete:
            raise LookupError(first_problem(report))
        return ak.concatenate(list(job.ordered(job.picked)) or [ak.Array([])])


class _Job:
    """One pick."""

    def __init__(
        self, client: Client, options: PickOptions, work: WorkDirectory, progress: Progress
    ) -> None:
        require_uproot()
        self._client = client
        self._options = options
        self._work = work
        self._progress = progress
        self._places = PairPlaces(to_pairs([]))
        self.picked: list[PickedFile] = []

    def collect(self, places: PairPlaces) -> PickReport:
        """Pick the events of all files into the work directory."""
        self._places = places
        report = PickReport((places.pairs.runs, places.pairs.events))
        result = self._client.lookup(
            places.pairs, collection=self._options.collection, with_file_names=True
        )
        report.not_found = result.missing()
        wanted: dict[str, Int64] = {}
        urls: dict[str, str] = {}
        for file, at in result.by_file().items():
            # A file may hold events of several datasets.
            known = wanted.get(file.fuid_raw)
            wanted[file.fuid_raw] = at if known is None else np.sort(np.append(known, at))
            urls[file.fuid_raw] = file.url
        located = locate(
            self._options.files,
            wanted,
            cache=self._work.path / UUID_CACHE,
            seconds_max=self._options.seconds_max,
            report=lambda done, total: self._progress(done, total, "looking for files"),
        )
        report.unreadable = located.problems
        found: dict[str, PickedFile] = {}
        outcomes: dict[str, FileOutcome] = {}
        with ThreadPoolExecutor(self._options.files_together, "eventindex-pick") as pool:
            tasks = {
                pool.submit(
                    self._one_file, uuid, located.addresses.get(uuid) or urls[uuid], at
                ): uuid
                for uuid, at in wanted.items()
            }
            try:
                for done, task in enumerate(as_completed(tasks), 1):
                    picked, outcome = task.result()
                    outcomes[tasks[task]] = outcome
                    if picked is not None:
                        found[picked.uuid] = picked
                    self._progress(done, len(tasks), outcome.address or outcome.fuid_raw)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        report.files = [outcomes[uuid] for uuid in wanted]
        self.picked = self._alike([found[uuid] for uuid in wanted if uuid in found], report)
        unreadable = (name for picked in self.picked for name in picked.layout.unreadable)
        report.left_out = list(dict.fromkeys(unreadable))
        return report

    def write(self, path: Path, report: PickReport) -> None:
        """Write what was picked; nothing where nothing was."""
        left_out = dict.fromkeys(report.left_out)

        def leave_out(name: str) -> None:
            left_out.setdefault(name)

        if self._options.per_file:
            for number, outcome in enumerate(report.files):
                picked = [p for p in self.picked if p.uuid == outcome.fuid_raw and p.events]
                if picked:
                    target = path / output_name(outcome, report.files)
                    self._write_one(target, picked, leave_out)
                    report.files[number] = outcome._replace(output=target)
        else:
            self._write_one(path, [p for p in self.picked if p.events], leave_out)
        report.left_out = list(left_out)

    def _write_one(
        self, path: Path, picked: list[PickedFile], leave_out: Callable[[str], None]
    ) -> None:
        if not picked:
            return
        total, done = sum(file.events for file in picked), 0
        with open_output(path, picked[0].layout, leave_out) as writer:
            for events in self.ordered(picked):
                writer.write(events)
                done += len(events)
                self._progress(done, total, f"writing {path.name}")

    def ordered(self, picked: list[PickedFile]) -> Iterator[Any]:
        """Yield the picked events in the order of the output, some at a time."""
        import awkward as ak  # noqa: PLC0415  # may lack

        pieces = [(file, number) for file in picked for number in range(len(file.sizes))]
        if self._options.order == "file":
            for file, number in pieces:
                yield self._work.load_piece(file.uuid, number)
            return
        places, piece_of, row_of = self._index(picked)
        held: dict[int, Any] = {}
        for start in range(0, len(places), _EVENTS_PER_WRITE):
            part = slice(start, start + _EVENTS_PER_WRITE)
            chosen = []
            for piece in np.unique(piece_of[part]).tolist():
                if piece not in held:
                    while len(held) >= _PIECES_HELD_MAX:
                        held.pop(next(iter(held)))
                    file, number = pieces[piece]
                    held[piece] = self._work.load_piece(file.uuid, number)
                chosen.append(held[piece][row_of[part][piece_of[part] == piece]])
            # The events of each piece stand together: put them where they belong.
            order = np.argsort(np.argsort(piece_of[part], kind="stable"), kind="stable")
            yield ak.concatenate(chosen)[order] if len(chosen) > 1 else chosen[0]

    def _index(self, picked: list[PickedFile]) -> tuple[Int64, Int64, Int64]:
        """Return the place in the list, the piece and the row of all events, by their place."""
        places, piece_of, row_of = [], [], []
        piece = 0
        for file in picked:
            for found in self._work.numbers(file):
                places.append(self._places.find(found.runs, found.events))
                piece_of.append(np.full(len(found.runs), piece, np.int64))
                row_of.append(np.arange(len(found.runs), dtype=np.int64))
                piece += 1
        nothing = [np.empty(0, np.int64)]
        columns = [np.concatenate(part or nothing) for part in (places, piece_of, row_of)]
        order = np.argsort(columns[0], kind="stable")
        return columns[0][order], columns[1][order], columns[2][order]

    def _one_file(
        self, uuid: str, address: str, at: Int64
    ) -> tuple[PickedFile | None, FileOutcome]:
        """Pick the events of one file; what is wrong with it is a part of the outcome."""
        wanted = self._places.at(at)
        try:
            done = self._work.done(uuid, self._digest(wanted))
            picked = done or self._read(uuid, address, wanted)
        except RootFileError as error:
            return None, FileOutcome(uuid, address, len(at), 0, np.empty(0, np.int64), str(error))
        seen = np.zeros(len(wanted), bool)
        for found in self._work.numbers(picked):
            seen[wanted.find(found.runs, found.events)] = True
        return picked, FileOutcome(uuid, address, len(at), picked.events, at[~seen])

    def _read(self, uuid: str, address: str, wanted: PairPlaces) -> PickedFile:
        if not address:
            looked = "no file with this UUID was found, and " if self._options.files else ""
            raise RootFileError(f"{looked}the index has no address of it")
        with open_root(address, self._options.seconds_max) as file:
            if file.uuid != uuid:
                raise RootFileError(f"has the UUID {file.uuid}, not {uuid}")
            source = find_tree(file, self._options.wanted)
            layout = layout_of(source, self._options.branches)
            found = find_entries(source, wanted)
            picked = PickedFile(uuid, self._digest(wanted), layout)
            for piece, events in joined(read_entries(source, layout, found.entries), found):
                self._work.save_piece(uuid, len(picked.sizes), piece, events)
                picked.sizes.append(len(events))
                picked.types.update((n, str(events[n].type.content)) for n in events.fields)
        self._work.finish(picked)
        return picked

    def _digest(self, wanted: PairPlaces) -> str:
        options = self._options
        what = [wanted.digest(), options.branches, options.wanted.tree, options.wanted.columns]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def _alike(self, picked: list[PickedFile], report: PickReport) -> list[PickedFile]:
        """Return the files that one output can hold; a file with other branches is named."""
        if self._options.per_file:
            return picked
        alike: list[PickedFile] = []
        for file in picked:
            difference = difference_of(alike[0], file) if alike else ""
            if not difference:
                alike.append(file)
                continue
            number = next(n for n, f in enumerate(report.files) if f.fuid_raw == file.uuid)
            report.files[number] = report.files[number]._replace(picked=0, problem=difference)
        return alike
