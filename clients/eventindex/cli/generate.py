"""`eventindex generate`: pseudo-data as a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventindex.cli.shared.common import connection_options, counted, note
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.ranges import decimal, whole
from eventindex.limits import DSID_MAX

if TYPE_CHECKING:
    from eventindex.cli.event_files.manifest import Manifest
    from eventindex.cli.event_files.writing import EventWriter
    from eventindex.client import Client
    from eventindex.columns import EventColumns
    from eventindex.generate import Plan

# Options whose names differ from the plan's fields.
_PLAN_NAMES = {"gaps": "gap_fraction", "triggers": "trigger_probabilities", "dsid": "dsid_raw"}


def _probabilities(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    """Return the numbers of a list with commas."""
    try:
        return tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers") from None


_COUNT = whole(1)
_NUMBER = whole(0, 2**62)


@click.command(short_help="Write pseudo-data to a file.")
@click.option("-o", "--output", required=True, metavar="FILE", help="File to write; - is stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Default: by the file's name, csv where it does not tell.",
)
@click.option("--runs", type=_COUNT, default=10, show_default=True, help="Number of runs.")
@click.option("--run-first", type=_NUMBER, default=1, show_default=True, help="First run.")
@click.option(
    "--events", type=_COUNT, default=1000, show_default=True, help="Event numbers of a run."
)
@click.option("--event-first", type=_NUMBER, default=1, show_default=True, help="First event.")
@click.option(
    "--gaps",
    type=decimal(0, 1),
    default=0.1,
    show_default=True,
    help="Chance that an event number is left out.",
)
@click.option(
    "--streams", type=_COUNT, default=2, show_default=True, help="RAW files open at a time."
)
@click.option(
    "--events-per-file", type=_COUNT, default=5000, show_default=True, help="Events of a RAW file."
)
@click.option(
    "--triggers",
    metavar="P,P,...",
    callback=_probabilities,
    default="0.3,0.2,0.1,0.05",
    show_default=True,
    help="Chance of each bit of olt_result, lowest first.",
)
@click.option("--dsid", type=whole(0, DSID_MAX), default=1, show_default=True, help="Dataset.")
@click.option(
    "--datasets",
    type=_COUNT,
    default=1,
    show_default=True,
    help="Number of datasets that the streams are spread over, from --dsid on.",
)
@click.option("--seed", type=_NUMBER, default=1, show_default=True, help="The same gives the same.")
@click.option(
    "--file-names", is_flag=True, help="Give the RAW files names, in the file and the manifest."
)
@click.option("--derive", metavar="NAME", help="Events of this collection, out of those of --from.")
@click.option(
    "--keep",
    type=decimal(0, 1),
    default=0.1,
    show_default=True,
    help="With --derive: chance that an event is kept.",
)
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="FILE|COLLECTION",
    help="With --derive: a file of events, or a collection of the index; - is CSV from stdin. "
    "May be given again.",
)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the events of each file and dataset, .json or .csv, for `compare`.",
)
@connection_options
@click.pass_context
def generate(
    context: click.Context,
    /,
    *,
    connect: Callable[[], Client],
    output: str,
    form: str | None,
    manifest: Path | None,
    derive: str | None,
    keep: float,
    sources: tuple[str, ...],
    **options: object,
) -> None:
    """Write pseudo-data to a file: CSV, JSON lines (.jsonl), each also .gz or .zst, or Parquet.

    Runs with gaps, several RAW files open at a time, random triggers; the same seed gives the
    same file. Memory does not grow with its size.

    With --derive it is a part of the events of files, or of a collection of the index, in RAW files
    and a dataset of their own, for `load --collection NAME`. The index is asked for nothing else.
    """
    from eventindex.cli.event_files.manifest import Manifest
    from eventindex.cli.event_files.writing import open_writer, output_form
    from eventindex.cli.generate_derived import derivation, is_given, source_blocks
    from eventindex.derive import derive as derived_events

    form = output_form(output, form)
    if manifest is not None and manifest.suffix.lower() not in {".json", ".csv"}:
        raise click.UsageError(f"--manifest {manifest}: give a name with .json or .csv")
    if derive is None and (sources or is_given(context, "keep")):
        raise click.UsageError("--keep and --from go with --derive")
    counts = None if manifest is None else Manifest()
    started = time.monotonic()
    names = bool(options["file_names"])
    if derive is None:
        count = _generate(output, form, _plan(options), counts)
    else:
        part = derivation(context, options, derive, keep)
        blocks = source_blocks(sources, connect)
        with open_writer(output, form, names=names) as writer:
            count = _write_events(writer, derived_events(part, blocks), counts)
    if manifest is not None and counts is not None:
        counts.write(manifest)
    note(f"{counted(count, 'event')} in {time.monotonic() - started:.1f} s")


def _generate(output: str, form: str, plan: Plan, counts: Manifest | None) -> int:
    import numpy as np

    from eventindex.cli.event_files.writing import open_writer
    from eventindex.generate import generate as generate_events

    with (
        open_writer(output, form, names=plan.file_names) as writer,
        ProgressReport("generating", plan.runs * plan.events) as progress,
    ):

        def tell(block: EventColumns, text: str) -> None:
            # Progress counts event numbers, gaps included; the last one says how far it is.
            run = int(np.asarray(block.run_numbers)[0])
            event = int(np.asarray(block.event_numbers)[-1])
            drawn = (run - plan.run_first) * plan.events + event - plan.event_first + 1
            progress.at(drawn, text)

        return _write_events(writer, generate_events(plan), counts, tell)


def _plan(options: dict[str, object]) -> Plan:
    """Return the plan of the options."""
    from eventindex.generate import Plan

    values = {_PLAN_NAMES.get(name, name): value for name, value in options.items()}
    try:
        return Plan(**values)  # type: ignore[arg-type]  # the options have the types
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _write_events(
    writer: EventWriter,
    blocks: Iterator[EventColumns],
    counts: Manifest | None,
    tell: Callable[[EventColumns, str], None] = lambda _, __: None,
) -> int:
    """Write events and return how many; `tell` hears of each block."""
    count, started = 0, time.monotonic()
    for block in blocks:
        if not len(block):
            continue
        writer.write(block)
        if counts is not None:
            counts.add(block)
        count += len(block)
        rate = count / max(time.monotonic() - started, 1e-3)
        tell(block, f"{count:,} events, {rate:,.0f}/s")
    return count
