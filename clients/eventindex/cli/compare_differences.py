"""Where an index differs from a list of what it should hold. Pure: is handed what the index has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eventindex.catalogue_results import Dataset, FileOfRun
    from eventindex.cli.event_files.expected import Expected


class Difference(NamedTuple):
    """One thing that is not as the list says.

    Attributes:
        difference: "missing" (the index does not have it), "extra" (the list does not) or
            "differing" (another number of events).
        kind: "file" or "dataset".
        fuid_raw, dsid_raw, dataset, run_number: which one; None where the list does not say.
        expected, found: numbers of events, None where there is none.
    """

    difference: str
    kind: str
    fuid_raw: str | None
    dsid_raw: int | None
    dataset: str | None
    run_number: int | None
    expected: int | None
    found: int | None


class Scope(NamedTuple):
    """A part of the index that is compared as a whole: a run, a dataset, or one file.

    All files that the index has in a run or dataset are compared, so that extra ones are seen.
    """

    run_number: int | None
    dataset: int | str | None
    fuid_raw: str | None


def scope_of(entry: Expected) -> Scope:
    """Return the part of the index that a file of the list belongs to."""
    if entry.run_number is not None:
        return Scope(entry.run_number, None, None)
    dataset = entry.dataset if entry.dsid_raw is None else entry.dsid_raw
    return Scope(None, dataset, entry.fuid_raw if dataset is None else None)


def by_scope(entries: Iterable[Expected]) -> dict[Scope, list[Expected]]:
    """Return the files of a list by what they are compared with."""
    scopes: dict[Scope, list[Expected]] = {}
    for entry in entries:
        if entry.fuid_raw is not None:
            scopes.setdefault(scope_of(entry), []).append(entry)
    return scopes


def compare_datasets(
    entries: Iterable[Expected], datasets: Iterable[Dataset]
) -> Iterator[Difference]:
    """Yield where the datasets of the index differ from those of a list."""
    by_name: dict[int | str, Dataset] = {}
    for dataset in datasets:
        by_name[dataset.dsid_raw] = by_name[dataset.name] = dataset
    for entry in entries:
        if entry.fuid_raw is not None:
            continue
        name = entry.dataset if entry.dsid_raw is None else entry.dsid_raw
        known = by_name.get(name) if name is not None else None
        dsid = entry.dsid_raw if known is None else known.dsid_raw
        label = entry.dataset if known is None else known.name
        if known is None and entry.events:
            yield Difference("missing", "dataset", None, dsid, label, None, entry.events, None)
        elif known is not None and known.events != entry.events:
            yield Difference(
                "differing", "dataset", None, dsid, label, None, entry.events, known.events
            )


def compare_files(
    entries: Iterable[Expected], found: Iterable[FileOfRun], dsids: Mapping[str, int]
) -> Iterator[Difference]:
    """Yield where the files of a scope differ from those of a list.

    Args:
        entries: the files of the list in the scope.
        found: all files that the index has in the scope.
        dsids: the number of each dataset that the list names.
    """
    wanted = {(entry.fuid_raw, _dsid(entry, dsids)): entry for entry in entries}
    counts: Counter[tuple[str | None, int | None]] = Counter()
    extra: Counter[tuple[str, int, int]] = Counter()
    for file in found:
        fuid, dsid = file.file.fuid_raw.lower(), file.file.dsid_raw
        if (fuid, dsid) in wanted:
            counts[fuid, dsid] += file.events
        elif (fuid, None) in wanted:
            counts[fuid, None] += file.events
        elif file.events:
            extra[fuid, dsid, file.run_number] += file.events
    for key, entry in wanted.items():
        events = counts.get(key)
        if events == entry.events:
            continue
        difference = "differing" if events else "missing"
        if not events and not entry.events:
            continue
        yield Difference(
            difference,
            "file",
            entry.fuid_raw,
            key[1],
            entry.dataset,
            entry.run_number,
            entry.events,
            events or None,
        )
    for (fuid, dsid, run), events in extra.items():
        yield Difference("extra", "file", fuid, dsid, None, run, None, events)


def _dsid(entry: Expected, dsids: Mapping[str, int]) -> int | None:
    if entry.dsid_raw is not None or entry.dataset is None:
        return entry.dsid_raw
    # -1 is the number of no dataset: one that the index lacks has no files there.
    return dsids.get(entry.dataset, -1)
