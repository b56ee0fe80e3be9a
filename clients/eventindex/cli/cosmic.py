"""`eventindex cosmic`: the records of telescopes with real times, and their numbers."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from eventindex.catalogue_results import CosmicCount, CosmicCountBy, CosmicEvent
from eventindex.cli.shared.common import connection_options, counted
from eventindex.cli.shared.listing import (
    Column,
    Layout,
    format_option,
    plain,
    record_of,
    show_time,
    write_list,
)
from eventindex.cli.shared.selection_options import event_range_options, limit_option, run_options

if TYPE_CHECKING:
    from eventindex.client import Client

Range = tuple[int | None, int | None] | None


def _clock(row: CosmicEvent) -> str:
    """Return the time of a record, with why it is doubtful."""
    if row.time is None:
        return ""
    problem = f" ({row.clock_problem.replace('_', ' ')})" if row.clock_problem else ""
    return f"{row.time:%Y-%m-%d %H:%M:%S}{problem}"


_COLUMNS: list[Column[CosmicEvent]] = [
    Column("run", lambda row: str(row.run_number), right=True),
    Column("event", lambda row: str(row.event_number), right=True),
    Column("time (UTC)", _clock),
    Column("detector", lambda row: row.detector_id, fold=True),
    Column("block", lambda row: _text(row.cosmic_block), right=True),
    Column("triggers", lambda row: "" if row.trigger_bits is None else f"{row.trigger_bits:#x}"),
    Column("channels", lambda row: str(len(row.tdc)), right=True),
]
_FIELDS = (
    "run_number",
    "event_number",
    "time",
    "detector_id",
    "cosmic_block",
    "trigger_bits",
    "clock_count",
    "trigger_counter",
    "epoch",
    "counter_clocks",
    "event_counter",
    "repaired",
    "fuid_raw",
    "dsid_raw",
    "clock_problem",
)
_COUNT_COLUMNS: dict[str, Column[CosmicCount]] = {
    "detector_id": Column("detector", lambda row: row.detector_id or "", fold=True),
    "run_number": Column("run", lambda row: _text(row.run_number), right=True),
    "cosmic_block": Column("block", lambda row: _text(row.cosmic_block), right=True),
    "hour": Column("hour (UTC)", lambda row: show_time(row.hour)),
    "events": Column("events", lambda row: f"{row.events:,}", right=True),
}
_COUNT_FIELDS: dict[str, tuple[str, ...]] = {
    CosmicCountBy.RUN: ("run_number", "events"),
    CosmicCountBy.BLOCK: ("detector_id", "run_number", "cosmic_block", "events"),
    CosmicCountBy.HOUR: ("hour", "events"),
    CosmicCountBy.DETECTOR: ("detector_id", "events"),
}


def time(text: str) -> datetime.datetime:
    """Convert a time of an option: ISO 8601, UTC unless it says otherwise."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text[:60]!r} is not a time such as 2026-11-21T01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


@click.command()
@run_options
@event_range_options
@click.option("--from", "time_first", type=time, help="From this time on, UTC.")
@click.option("--to", "time_last", type=time, help="Up to this time, UTC.")
@click.option("--detector", help="Events of one telescope.")
@limit_option
@click.option(
    "--count-by",
    type=click.Choice([by.value for by in CosmicCountBy]),
    help="Print numbers of events instead.",
)
@format_option
@connection_options
def cosmic(
    *,
    connect: Callable[[], Client],
    run: int | None,
    runs: Range,
    events: Range,
    time_first: datetime.datetime | None,
    time_last: datetime.datetime | None,
    detector: str | None,
    limit: int | None,
    count_by: str | None,
    form: str,
) -> None:
    """List the events of cosmic-ray telescopes, or count them.

    CSV leaves the channels and the payload out; JSON has everything.
    """
    from eventindex.cosmic_queries import CosmicArguments

    if time_first is not None and time_last is not None and time_first > time_last:
        raise click.UsageError(f"--from {time_first} is behind --to {time_last}")
    selection = CosmicArguments(
        run=run, runs=runs, events=events, times=(time_first, time_last), detector_id=detector
    )
    with connect() as client:
        if count_by is None:
            found = client.cosmic_events(events_max=limit or 0, **selection)
            write_list(found, Layout(_COLUMNS, _FIELDS, _record), form)
            return
        numbers = client.count_cosmic_events(by=count_by, **selection)
    fields = _COUNT_FIELDS[count_by]
    columns = [_COUNT_COLUMNS[name] for name in fields]
    write_list(numbers.counts, Layout(columns, fields, lambda row: _count(row, fields)), form)
    if form == "table":
        click.echo(f"{counted(numbers.total, 'event')} in all")


def _record(event: CosmicEvent) -> dict[str, object]:
    tdc = {name: channel._asdict() for name, channel in event.tdc.items()}
    return record_of(event) | {"tdc": tdc}


def _count(row: CosmicCount, fields: tuple[str, ...]) -> dict[str, object]:
    return {name: plain(getattr(row, name)) for name in fields}


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
