"""The wanted entries of a tree: which they are, and all their branches, a window at a time.

Holds one window, never a tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from eventindex.pairs import Int64
from eventindex.root_files.errors import RootFileError
from eventindex.root_files.events import EventTree, read_steps
from eventindex.root_files.opening import guarded, is_ntuple
from eventindex.root_files.places import PairPlaces
from eventindex.root_files.waiting import within

# A window of entries, decompressed; a selection of single events reads far less.
_WINDOW_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of a tree and how it is written again.

    Attributes:
        branches: the name of each branch by its path in the tree.
        counters: the branch that counts the values of a jagged one, by the latter's name; such
            branches follow from the values and are not read.
        unreadable: names of branches that uproot has no reading for.
        ntuple: whether it is an RNTuple.
        tree: the tree's path in its file.
    """

    branches: dict[str, str]
    counters: dict[str, str]
    unreadable: tuple[str, ...]
    ntuple: bool
    tree: str


class Found(NamedTuple):
    """Entries of a tree, ascending, and the pair of each; int64, shape (n,)."""

    entries: Int64
    runs: Int64
    events: Int64


def find_entries(source: EventTree, wanted: PairPlaces) -> Found:
    """Return the entries that hold wanted pairs; a pair may have several.

    Raises:
        RootFileError: the run and event numbers cannot be read.
    """
    entries, runs, events = [], [], []
    for step in read_steps(source, None):
        at = np.flatnonzero(wanted.find(step.runs, step.events) >= 0)
        entries.append(at + step.entry_first)
        runs.append(step.runs[at])
        events.append(step.events[at])
    if not entries:
        empty = np.empty(0, np.int64)
        return Found(empty, empty, empty)
    return Found(*(np.concatenate(parts) for parts in (entries, runs, events)))


def layout_of(source: EventTree, patterns: Sequence[str] | None) -> Layout:
    """Return what to read of a tree.

    Args:
        source: the tree.
        patterns: names or patterns of branches; None: all.

    Raises:
        RootFileError: a name or pattern that no branch has.
    """
    with guarded():
        layout = (_of_ntuple if is_ntuple(source.tree) else _of_ttree)(source)
    if patterns is None:
        return layout
    names = [*layout.branches.values(), *layout.unreadable, *set(layout.counters.values())]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RootFileError(f"no branch matches {pattern!r}")

    def asked(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    branches = {path: name for path, name in layout.branches.items() if asked(name)}
    counters = {name: count for name, count in layout.counters.items() if asked(name)}
    # A counter that is asked for without what it counts is a branch of its own.
    alone = {n for n in layout.counters.values() if asked(n) and n not in counters.values()}
    branches.update({name: name for name in alone})
    unreadable = tuple(name for name in layout.unreadable if asked(name))
    return Layout(branches, counters, unreadable, layout.ntuple, layout.tree)


def _of_ttree(source: EventTree) -> Layout:
    from uproot.interpretation.identify import UnknownInterpretation  # noqa: PLC0415  # may lack

    leaves = {path: b for path, b in source.tree.iteritems(recursive=True) if not b.branches}
    counters = {b.name: b.count_branch.name for b in leaves.values() if b.count_branch is not None}
    counting = set(counters.values())
    branches: dict[str, str] = {}
    unreadable = []
    for path, branch in leaves.items():
        if branch.name in counting:
            continue
        repeated = branch.name in branches.values()
        if repeated or isinstance(branch.interpretation, UnknownInterpretation):
            unreadable.append(branch.name)
        else:
            branches[path] = branch.name
    return Layout(branches, counters, tuple(unreadable), ntuple=False, tree=source.name)


def _of_ntuple(source: EventTree) -> Layout:
    # Collections without a type have their members as fields of their own.
    names = [
        name
        for name, kind in source.tree.typenames().items()
        if "." not in name and not (kind == "" and name.startswith("_"))
    ]
    return Layout({name: name for name in names}, {}, (), ntuple=True, tree=source.name)


def read_entries(source: EventTree, layout: Layout, entries: Int64) -> Iterator[tuple[slice, Any]]:
    """Yield the branches of entries as awkward records, a window at a time.

    Args:
        source: the tree.
        layout: what to read of it.
        entries: ascending.

    Yields:
        Which of the entries these are, and an awkward array of as many records.

    Raises:
        RootFileError: a part cannot be read.
    """
    import awkward as ak  # noqa: PLC0415  # may lack

    paths = list(layout.branches)
    for part in windows(entries, _bounds(source), _entries_max(source)):
        first, stop = int(entries[part.start]), int(entries[part.stop - 1]) + 1
        with guarded():
            read = partial(_read, source.tree, paths, first, stop)
            picked = within(source.file.seconds_max, read)[entries[part] - first]
            fields = {layout.branches[path]: picked[path] for path in paths}
            # A copy without gaps, so that the entries that were not picked can be freed.
            events = ak.to_packed(ak.zip(fields, depth_limit=1))
        yield part, events


def windows(entries: Int64, bounds: Int64, entries_max: int) -> Iterator[slice]:
    """Cut ascending entries where a cluster ends or a window would hold too many. Pure."""
    clusters = np.searchsorted(bounds, entries, side="right")
    start = 0
    for at in range(1, len(entries) + 1):
        if (
            at == len(entries)
            or clusters[at] != clusters[start]
            or entries[at] - entries[start] >= entries_max
        ):
            yield slice(start, at)
            start = at


def _read(tree: Any, paths: list[str], first: int, stop: int) -> Any:
    if is_ntuple(tree):
        chosen = set(paths)
        return tree.arrays(
            filter_field=lambda field: field.path in chosen, entry_start=first, entry_stop=stop
        )
    return tree.arrays(paths, entry_start=first, entry_stop=stop, library="ak")


def _bounds(source: EventTree) -> Int64:
    """Return the entries where all branches begin a new basket, or the clusters of an RNTuple."""
    with guarded():
        if is_ntuple(source.tree):
            firsts = [cluster.num_first_entry for cluster in source.tree.cluster_summaries]
        else:
            firsts = source.tree.common_entry_offsets()
        return np.array(firsts, np.int64)


def _entries_max(source: EventTree) -> int:
    size = getattr(source.tree, "uncompressed_bytes", None) or 4 * source.file.size_bytes
    return max(1, int(_WINDOW_BYTES_MAX * source.entries / max(size, 1)))
