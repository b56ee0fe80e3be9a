"""`eventindex generate --derive`: pseudo-data of a collection that was made from other events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventindex.cli.event_files.opening import (
    FORMATS,
    InputFile,
    find_inputs,
    open_file,
    read_events,
)
from eventindex.cli.event_files.rows import BadRow, Defaults
from eventindex.cli.shared.common import Failure
from eventindex.collection_names import RAW
from eventindex.columns import EventColumns
from eventindex.derive import Derivation, SourceEvents
from eventindex.limits import COMPRESSIONS, PAIRS_PER_MESSAGE_MAX

if TYPE_CHECKING:
    from eventindex.client import Client

# Options that say how events are made up, which derived ones are not.
_OF_NEW_EVENTS = (
    *("runs", "run_first", "events", "event_first", "gaps", "streams", "triggers", "datasets"),
)


def derivation(
    context: click.Context, options: dict[str, object], collection: str, keep: float
) -> Derivation:
    """Return the plan of the options.

    Raises:
        click.UsageError: an option that does not go with `--derive`, or a value that cannot be.
    """
    given = [name for name in _OF_NEW_EVENTS if is_given(context, name)]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise click.UsageError(f"{option} excludes --derive: the events are those of --from")
    if collection == RAW:
        raise click.UsageError("--derive raw: no collection is derived into raw")
    try:
        return Derivation(
            collection,
            keep,
            options["seed"],  # type: ignore[arg-type]
            options["events_per_file"],  # type: ignore[arg-type]
            options["dsid"] if is_given(context, "dsid") else None,  # type: ignore[arg-type]
            bool(options["file_names"]),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def is_given(context: click.Context, name: str) -> bool:
    """Return whether an option was given."""
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def source_blocks(names: Sequence[str], connect: Callable[[], Client]) -> Iterator[SourceEvents]:
    """Yield the events of files and of collections of the index; "-" is CSV from standard input.

    What is no file and has no name of one is a collection.

    Raises:
        click.UsageError: no source, or one that is not there or holds no events.
        Failure: a row that is no event.
        EventIndexError: the index does not answer, or has no such collection.
    """
    if not names:
        raise click.UsageError(
            "--derive needs --from FILE or --from COLLECTION, the events that it is made from"
        )
    sources = [
        _collection(name, connect) if is_collection(name) else _files(name) for name in names
    ]
    return chain.from_iterable(sources)


def is_collection(name: str) -> bool:
    """Return whether a source is a collection of the index: no file has the name, or looks it."""
    plain = Path(name.lower())
    while plain.suffix in COMPRESSIONS:
        plain = plain.with_suffix("")
    if name == "-" or plain.suffix in FORMATS or Path(name).exists():
        return False
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]*|cosmic\..+", name) is not None


def _collection(name: str, connect: Callable[[], Client]) -> Iterator[SourceEvents]:
    """Return the events of a collection; the first have come, so that what is wrong was told."""
    client = connect()
    blocks = client.list_events(collection=name, batch_events_max=PAIRS_PER_MESSAGE_MAX)
    first = next(blocks, None)

    def rest() -> Iterator[SourceEvents]:
        with client:
            yield from chain([] if first is None else [first], blocks)

    return rest()


def _files(name: str) -> Iterator[SourceEvents]:
    files = find_inputs([name], "csv" if name == "-" else None)
    for file in files:
        if file.form not in {"csv", "jsonl", "parquet"}:
            raise click.UsageError(f"{file.path}: events are read from csv, jsonl or parquet")
    return _blocks(files)


def _blocks(files: Sequence[InputFile]) -> Iterator[EventColumns]:
    for file in files:

        def refuse(bad: BadRow, path: str = file.path) -> None:
            raise Failure(f"{path}: {bad.unit} {bad.line}: {bad.problem}")

        with open_file(file) as opened:
            for block in read_events(file, opened, Defaults(), refuse):
                yield block.columns
