"""The events of a tree, in steps of bounded memory: run, event number and mask as columns.

Holds one step, never a tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventindex.limits import NUMBER_MAX, PAIRS_PER_MESSAGE_MAX
from eventindex.root_files.branches import Columns, Wanted, find_columns
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.opening import (
    RootFile,
    branches_of,
    get_tree,
    guarded,
    is_ntuple,
    tree_names,
)
from eventindex.root_files.waiting import each_within

# An RNTuple is decompressed by whole clusters, again for each step that has a part of one.
_CLUSTER_ENTRIES_MAX = 1_000_000

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class EventTree:
    """A tree that holds events.

    Attributes:
        file: where it is.
        name: its path in the file.
        tree: the tree, an object of uproot.
        columns: the branches that say which events these are.
    """

    file: RootFile
    name: str
    tree: Any
    columns: Columns

    @property
    def entries(self) -> int:
        """Return how many events it has."""
        return int(self.tree.num_entries)


class Step(NamedTuple):
    """Some consecutive entries.

    Attributes:
        entry_first: the first of them; entries are counted from 0, as in ROOT.
        runs: int64, shape (n,) or (1,) where one stands for all.
        events: int64, shape (n,).
        olt: uint64, shape (n,); None when there are no trigger decisions.
        bad: bool, shape (n,): the entries that are no events; None when all are.
        arrays: the branches as they were read.
    """

    entry_first: int
    runs: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    olt: npt.NDArray[np.uint64] | None
    bad: npt.NDArray[np.bool_] | None
    arrays: Arrays


def find_tree(file: RootFile, wanted: Wanted) -> EventTree:
    """Return the tree that holds the events of a file.

    Raises:
        RootFileError: there is none, or several and none is named.
        CriteriaError: more criteria than a mask has bits.
    """
    names = tree_names(file)
    if not names:
        raise RootFileError("holds no tree")
    if wanted.tree is not None:
        if wanted.tree not in names:
            raise RootFileError(f"holds no tree {wanted.tree!r}; trees: {', '.join(names)}")
        names = [wanted.tree]
    if len(names) == 1:
        return _event_tree(file, names[0], wanted)
    return _only_event_tree(file, names, wanted)


def _only_event_tree(file: RootFile, names: list[str], wanted: Wanted) -> EventTree:
    found: list[EventTree] = []
    refusals = []
    for name in names:
        try:
            found.append(_event_tree(file, name, wanted))
        except RootFileError as error:
            refusals.append(f"{name}: {error}")
    if len(found) > 1:
        several = ", ".join(tree.name for tree in found)
        raise RootFileError(f"several trees hold events: name one of {several} by --tree")
    if not found:
        raise RootFileError(f"no tree holds events: {'; '.join(refusals)}")
    return found[0]


def _event_tree(file: RootFile, name: str, wanted: Wanted) -> EventTree:
    tree = get_tree(file, name)
    return EventTree(file, name, tree, find_columns(branches_of(tree), wanted))


def read_steps(source: EventTree, run_number: int | None) -> Iterator[Step]:
    """Yield the events of a tree, at most 100,000 at a time.

    Args:
        source: the tree.
        run_number: run of all events where no branch holds it.

    Raises:
        RootFileError: a part cannot be read, or numbers are no integers; names branch and entry.
    """
    entry = 0
    for arrays in _arrays(source):
        columns = source.columns
        events, bad_events = _numbers(columns.event, arrays, entry)
        if columns.run is None:
            runs, bad_runs = np.array([run_number or 0], np.int64), None
        else:
            runs, bad_runs = _numbers(columns.run, arrays, entry)
        olt, bad_olt = _masks(columns, arrays)
        bad = _any_of(bad_events, bad_runs, bad_olt)
        yield Step(entry, runs, events, olt, bad, arrays)
        entry += len(events)


def _arrays(source: EventTree) -> Iterator[Arrays]:
    wanted = set(source.columns.names())
    steps = each_within(source.file.seconds_max, _uproot_steps(source.tree, wanted))
    while True:
        with guarded():
            arrays = next(steps, None)
        if arrays is None:
            return
        count = len(next(iter(arrays.values()), ()))
        for start in range(0, count, PAIRS_PER_MESSAGE_MAX):
            part = slice(start, start + PAIRS_PER_MESSAGE_MAX)
            yield {name: values[part] for name, values in arrays.items()}


def _uproot_steps(tree: Any, wanted: set[str]) -> Iterator[Arrays]:
    if not is_ntuple(tree):
        yield from tree.iterate(
            filter_name=wanted.__contains__, step_size=PAIRS_PER_MESSAGE_MAX, library="np"
        )
        return
    for first, stop in _cluster_ranges(tree):
        yield tree.arrays(
            filter_name=wanted.__contains__, entry_start=first, entry_stop=stop, library="np"
        )


def _cluster_ranges(tree: Any) -> Iterator[tuple[int, int]]:
    for cluster in tree.cluster_summaries:
        end = cluster.num_first_entry + cluster.num_entries
        for first in range(cluster.num_first_entry, end, _CLUSTER_ENTRIES_MAX):
            yield first, min(first + _CLUSTER_ENTRIES_MAX, end)


def _numbers(
    name: str, arrays: Arrays, entry_first: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """Return a column as int64, and which of its values are out of range."""
    values = arrays[name]
    if values.dtype.kind == "f" and len(values):
        raise RootFileError(
            f"branch {name!r} holds floating-point numbers, not integers: entry {entry_first} "
            f"is {float(values[0])!r}"
        )
    numbers = values.astype(np.int64, copy=False)
    # A uint64 of 2^63 and more is negative as int64.
    if len(numbers) and int(numbers.min()) < 0:
        return numbers, numbers < 0
    return numbers, None


def _masks(
    columns: Columns, arrays: Arrays
) -> tuple[npt.NDArray[np.uint64] | None, npt.NDArray[np.bool_] | None]:
    if columns.mask is not None:
        values = arrays[columns.mask]
        signed = values.dtype.kind == "i" and len(values) and int(values.min()) < 0
        return values.astype(np.uint64, copy=False), values < 0 if signed else None
    if not columns.criteria:
        return None, None
    olt = np.zeros(len(arrays[columns.event]), np.uint64)
    for bit, name in enumerate(columns.criteria):
        olt |= arrays[name].astype(np.uint64) << np.uint64(bit)
    return olt, None


def _any_of(*columns: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
    given = [column for column in columns if column is not None]
    return np.logical_or.reduce(given) if given else None


def problem_of(step: Step, index: int, columns: Columns) -> str:
    """Return what is wrong with an entry that is marked as bad."""
    for field, name, maximum in (
        ("run_number", columns.run, NUMBER_MAX),
        ("event_number", columns.event, NUMBER_MAX),
        ("olt_result", columns.mask, 2**64 - 1),
    ):
        if name is not None and not 0 <= (value := int(step.arrays[name][index])) <= maximum:
            return f"{field}: {value} in branch {name!r} is outside 0 to {maximum}"
    raise AssertionError(f"entry {index} was marked as bad and is not")
