"""`eventindex duplicates`: datasets that hold the same events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from eventindex.cli.shared.common import connection_options, counted, note
from eventindex.cli.shared.listing import Column, Layout, format_option, record_of, write_list
from eventindex.cli.shared.selection_options import dataset, run_options
from eventindex.collection_names import RAW
from eventindex.duplicate_results import DatasetPair, DuplicateEvents

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.selection import Range

_PAIR: list[Column[DatasetPair]] = [
    Column("collection", lambda pair: pair.collection, fold=True),
    Column("dataset", lambda pair: str(pair.dsid_raw), right=True),
    Column("and collection", lambda pair: pair.other_collection, fold=True),
    Column("dataset", lambda pair: str(pair.other_dsid_raw), right=True),
]
_PAIRS = Layout(
    [*_PAIR, Column("events", lambda pair: f"{pair.events:,}", right=True)],
    DatasetPair._fields,
    record_of,
)


class _Event(NamedTuple):
    run_number: int
    event_number: int
    collection: str
    dsid_raw: int
    other_collection: str
    other_dsid_raw: int


_EVENTS = Layout(
    [
        Column("run", lambda event: str(event.run_number), right=True),
        Column("event", lambda event: str(event.event_number), right=True),
        *_PAIR,
    ],
    _Event._fields,
    record_of,
)


@click.command(short_help="Datasets that hold the same events.")
@click.argument("collections", nargs=-1)
@click.option(
    "--dataset",
    "datasets",
    type=dataset,
    multiple=True,
    help="Pairs with this dataset, by number or name; twice: this pair.",
)
@run_options
@click.option("--events", is_flag=True, help="Print the events, not how many.")
@format_option
@connection_options
def duplicates(
    *,
    connect: Callable[[], Client],
    collections: tuple[str, ...],
    datasets: tuple[int | str, ...],
    run: int | None,
    runs: Range | None,
    events: bool,
    form: str,
) -> None:
    """Count the events that two datasets of some COLLECTIONS hold, raw where none is named.

    Within a collection these are events that were offered again with another dataset, see
    `conflicts`; between two collections, events that both have.
    """
    names, tally = collections or (RAW,), _Tally()
    with connect() as client:
        try:
            if events:
                parts = client.duplicate_events(names, datasets=datasets, run=run, runs=runs)
                write_list(tally.events(parts), _EVENTS, form)
            else:
                pairs = client.duplicates(names, datasets=datasets, run=run, runs=runs)
                write_list(tally.pairs(pairs), _PAIRS, form)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    note(f"{counted(tally.count, 'event')} in {counted(len(tally.of), 'pair')} of datasets")


class _Tally:
    """Counts what is printed."""

    def __init__(self) -> None:
        self.count = 0
        self.of: set[tuple[str, int, str, int]] = set()

    def pairs(self, found: Iterable[DatasetPair]) -> Iterator[DatasetPair]:
        for pair in found:
            self._add(pair)
            yield pair

    def events(self, found: Iterable[DuplicateEvents]) -> Iterator[_Event]:
        for part in found:
            self._add(part.pair)
            for event in part.event_numbers.tolist():
                yield _Event(part.run_number, event, *part.pair[:4])

    def _add(self, pair: DatasetPair) -> None:
        self.count += pair.events
        self.of.add(pair[:4])
