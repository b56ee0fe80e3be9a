"""`eventindex events`: the events of a selection, as a stream or a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import both_services, counted, note
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.selection_options import limit_option, selection_options
from eventindex.values import DatasetState

if TYPE_CHECKING:
    from eventindex.cli.event_files.writing import EventWriter
    from eventindex.cli.shared.selection_options import SelectionOptions
    from eventindex.client import Client
    from eventindex.selection_results import Events


def position(text: str) -> tuple[int, int]:
    """Convert an event of an option, RUN:EVENT as `lookup` reads it."""
    from eventindex.pair_lists.text import parse_block

    pairs = parse_block(text.encode() + b"\n", 2).pairs
    if len(pairs.runs) != 1:
        raise click.BadParameter(f"{text[:60]!r} is not RUN:EVENT")
    return int(pairs.runs[0]), int(pairs.events[0])


@click.command(short_help="Write the events of a selection.")
@selection_options
@click.option("--after", type=position, metavar="RUN:EVENT", help="Go on behind this event.")
@limit_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Default: what the name of the file ends in, else csv.",
)
@click.option(
    "--names", "with_names", is_flag=True, help="Write names, sizes and checksums of the files too."
)
@both_services
def events(
    *,
    connect: Callable[[], Client],
    selection: SelectionOptions,
    after: tuple[int, int] | None,
    limit: int | None,
    output: Path | None,
    form: str | None,
    with_names: bool,
) -> None:
    """Write the events of a selection, in ascending order of run and event.

    BIT is a bit of olt_result, 0 to 63, the name of a criterion, or a mask 0x…; the options that
    take one may be repeated. A file that ends in .gz or .zst is compressed (not Parquet). The
    columns are those that `load` reads.
    """
    from eventindex.cli.event_files.writing import open_writer, output_form
    from eventindex.lookup_messages import NAMED_PAIRS_MAX

    target = "-" if output is None else str(output)
    form = output_form(target, form)
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give -o FILE")
    with connect() as client:
        found = client.list_events(
            after=after,
            events_max=limit or 0,
            batch_events_max=NAMED_PAIRS_MAX if with_names else 100_000,
            with_file_names=with_names,
            **selection.resolve(client),
        )
        # Wait for the first answer before the header: a wrong request writes nothing.
        first = next(found, None)
        closed: dict[int, DatasetState] = {}
        batches = _watch(found if first is None else chain([first], found), closed)
        with open_writer(target, form, names=with_names) as writer:
            if output is None:
                _write(batches, writer, lambda _: sys.stdout.flush())
            else:
                with ProgressReport(target, None) as progress:
                    count = _write(batches, writer, lambda n: progress.at(n, counted(n, "event")))
    if output is not None:
        note(f"{counted(count, 'event')} in {output}")
    if closed:
        states = (f"{dsid} {state.name.lower()}" for dsid, state in sorted(closed.items()))
        note(f"eventindex: there are events of datasets that are not open: {', '.join(states)}")


def _watch(batches: Iterable[Events], closed: dict[int, DatasetState]) -> Iterator[Events]:
    """Pass batches on, and note the datasets that take no more events."""
    for batch in batches:
        for file in batch.files:
            if file.dataset_state in {DatasetState.FROZEN, DatasetState.RETIRED}:
                closed[file.dsid_raw] = file.dataset_state
        yield batch


def _write(batches: Iterable[Events], writer: EventWriter, report: Callable[[int], None]) -> int:
    count = 0
    for batch in batches:
        writer.write(batch)
        count += len(batch)
        report(count)
    return count
