"""`eventindex generate --derive`: pseudo-data of a collection that was made from other events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from eventindex.cli.event_files.opening import InputFile, find_inputs, open_file, read_events
from eventindex.cli.event_files.rows import BadRow, Defaults
from eventindex.cli.shared.common import Failure
from eventindex.collection_names import RAW
from eventindex.columns import EventColumns
from eventindex.derive import Derivation

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


def source_blocks(names: Sequence[str]) -> Iterator[EventColumns]:
    """Yield the events of files; "-" is CSV from standard input.

    Raises:
        click.UsageError: no file, or one that is not there or holds no events.
        Failure: a row that is no event.
    """
    if not names:
        raise click.UsageError("--derive needs --from FILE, the events that it is made from")
    for name in names:
        if name != "-" and "/" not in name and not Path(name).suffix and not Path(name).exists():
            raise click.UsageError(
                f"--from {name}: no such file. For a collection of the index: "
                f"eventindex events --collection {name} --format csv | "
                "eventindex generate --from - …"
            )
    files = [file for name in names for file in find_inputs([name], "csv" if name == "-" else None)]
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
