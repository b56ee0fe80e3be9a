"""Picking events out of ROOT files, as a function and a method of the client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from eventindex.collection_names import RAW
from eventindex.limits import FILES_TOGETHER, STORAGE_SECONDS_MAX
from eventindex.pairs import PairsLike
from eventindex.root_files.branches import ALIASES, Wanted
from eventindex.root_files.pick_report import Order, PickOptions, PickReport

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.root_files import pick as picks


def pick(
    client: Client,
    pairs: PairsLike,
    output: str | Path,
    *,
    files: str | Path | Sequence[str | Path] = (),
    branches: Sequence[str] | None = None,
    tree: str | None = None,
    columns: dict[str, str] | None = None,
    collection: str = RAW,
    order: Order = "list",
    per_file: bool = False,
    files_together: int = FILES_TOGETHER,
    storage_seconds_max: float = STORAGE_SECONDS_MAX,
    work: str | Path | None = None,
    progress: picks.Progress = lambda *_: None,
) -> PickReport:
    """Write the events of a list, out of the ROOT files that hold them, into one file.

    The file has its name when it is whole. Needs `eventindex[root]`.

    Args:
        client: asks the index which files these are.
        pairs: as in `Client.lookup`; an event that is there twice is picked once.
        output: a ROOT file, or a Parquet file by its ending; a directory with `per_file`.
        files: paths, patterns, directories and addresses where the files may be; which is which
            is told by the UUID that ROOT wrote into each. What is not there is opened at its
            address (EVENTINDEX_FILE_URL).
        branches: names and patterns; None: all.
        tree: the tree, where several hold events.
        columns: the branches of run and event, where they have other names: {"run": "RunNo"}.
        collection: whose files: of another collection than raw where that is meant.
        order: "list" or "file": of the events in the output.
        per_file: a file for each input file, in the directory `output`.
        files_together: input files that are read at a time.
        storage_seconds_max: longest wait for an answer of remote storage.
        work: a directory for what is not finished; None: beside the output, removed at the end.
        progress: is called with steps done, steps in all, and what it is about.

    Returns:
        What was picked, what was not found, and what could not be read or written.

    Raises:
        ValueError: values that are no pairs.
        EventIndexError: the index refused or does not answer.
        ModuleNotFoundError: uproot is not installed; says how.
        OSError: the output cannot be written.
    """
    if order not in get_args(Order):
        raise ValueError(f"order is {order!r}, none of {', '.join(get_args(Order))}")
    options = PickOptions(
        files=_texts(files),
        branches=None if branches is None else tuple(branches),
        wanted=_wanted(tree, columns),
        collection=collection,
        order=order,
        per_file=per_file,
        files_together=files_together,
        seconds_max=storage_seconds_max,
        work=None if work is None else Path(work),
    )
    from eventindex.root_files import pick as picks  # noqa: PLC0415  # for those who pick

    return picks.pick(client, pairs, output, options, progress)


class Picking:
    """Reads events out of ROOT files."""

    def pick_arrays(
        self,
        pairs: PairsLike,
        *,
        files: str | Path | Sequence[str | Path] = (),
        branches: Sequence[str] | None = None,
        tree: str | None = None,
        columns: dict[str, str] | None = None,
        collection: str = RAW,
        storage_seconds_max: float = STORAGE_SECONDS_MAX,
    ) -> Any:
        """Return the events of a list as an awkward array of records, in the order of the list.

        The arguments are those of `eventindex.pick`. Needs `eventindex[root]`.

        Raises:
            LookupError: an event is not in the index, or its file cannot be read; names it.
        """
        options = PickOptions(
            files=_texts(files),
            branches=None if branches is None else tuple(branches),
            wanted=_wanted(tree, columns),
            collection=collection,
            seconds_max=storage_seconds_max,
        )
        from eventindex.root_files import pick as picks  # noqa: PLC0415  # for those who pick

        return picks.pick_arrays(cast("Client", self), pairs, options)


def _texts(files: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(files)] if isinstance(files, str | Path) else [str(file) for file in files]


def _wanted(tree: str | None, columns: dict[str, str] | None) -> Wanted:
    given = columns or {}
    if unknown := sorted(set(given) - {"run", "event"}):
        raise ValueError(f"columns has {unknown[0]!r}, not run or event")
    return Wanted(tree, {ALIASES[name]: branch for name, branch in given.items()})
