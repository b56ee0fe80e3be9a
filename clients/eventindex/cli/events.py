"""`eventindex events`: the events of a selection, as a stream or a file."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click

from eventindex.cli.common import both_services, note
from eventindex.cli.event_output import Form, make_event_writer
from eventindex.cli.pair_text import parse_block
from eventindex.cli.progress import ProgressReport
from eventindex.cli.selection_options import SelectionOptions, number, selection_options
from eventindex.client import Client
from eventindex.selection_results import Events

_BY_SUFFIX: dict[str, Form] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def position(text: str) -> tuple[int, int]:
    """Convert an event of an option, RUN:EVENT as `lookup` reads it."""
    pairs = parse_block(text.encode() + b"\n", 2).pairs
    if len(pairs.runs) != 1:
        raise click.BadParameter(f"{text[:60]!r} is not RUN:EVENT")
    return int(pairs.runs[0]), int(pairs.events[0])


@click.command()
@selection_options
@click.option("--after", type=position, metavar="RUN:EVENT", help="Go on behind this event.")
@click.option("--limit", type=number, default=0, help="At most so many events.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    help="Default: what the name of the file ends in, else csv.",
)
@both_services
def events(
    *,
    connect: Callable[[], Client],
    selection: SelectionOptions,
    after: tuple[int, int] | None,
    limit: int,
    output: Path | None,
    form: Form | None,
) -> None:
    """Write the events of a selection, in ascending order of run and event.

    BIT is a bit of olt_result, 0 to 63, the name of a criterion, or a mask 0x…; the options that
    take one may be repeated. A file that ends in .gz is compressed (not Parquet). The columns are
    those that `load` reads.
    """
    form = form or _form_of(output)
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: give -o FILE")
    with connect() as client:
        found = client.list_events(
            after=after, events_max=limit, batch_events_max=100_000, **selection.resolve(client)
        )
        if output is None:
            _write(found, form, sys.stdout.buffer)
            return
        with _new_file(output) as out, ProgressReport(str(output), None) as progress:
            count = _write(found, form, out, progress)
    note(f"{count:,} events in {output}")


def _write(
    batches: Iterable[Events], form: Form, out: BinaryIO, progress: ProgressReport | None = None
) -> int:
    count = 0
    writer = None
    for batch in batches:
        # The header waits for the first answer: a mistake leaves nothing behind.
        writer = writer or make_event_writer(form, out)
        writer.write(batch)
        count += len(batch)
        if progress is not None:
            progress.at(count, f"{count:,} events")
        else:
            out.flush()
    (writer or make_event_writer(form, out)).close()
    out.flush()
    return count


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that has its name only once it is complete."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(path.stem, "wb", compresslevel=6, fileobj=raw) as out:
                    yield cast(BinaryIO, out)
            else:
                yield raw
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _form_of(output: Path | None) -> Form:
    if output is None:
        return "csv"
    suffixes = [suffix.lower() for suffix in output.suffixes]
    packed = suffixes[-1:] == [".gz"]
    ending = (suffixes[:-1] if packed else suffixes)[-1:]
    form = _BY_SUFFIX.get(ending[0] if ending else "")
    if form is None or (packed and form == "parquet"):
        raise click.UsageError(f"{output}: the name says no format; give --format")
    return form
