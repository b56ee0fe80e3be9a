"""Lists of things as a table for people, or as CSV or JSON for machines.

Holds a thousand rows at a time. Asks nothing.
"""

from __future__ import annotations

import csv
import datetime
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import click

from eventindex.cli.shared.ranges import whole
from eventindex.printing import printable
from eventindex.values import RawFile

T = TypeVar("T")

_ROWS = 1000
# Of a file of which nothing more was asked.
_ID_FIELDS = ("fuid_raw", "dsid_raw", "dataset_state")
# Lines of a pipe or file are never folded.
_PIPE_WIDTH = 100_000
_GAP = 2

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)

F = TypeVar("F", bound=Callable[..., Any])


def order_and_limit(*fields: str, noun: str) -> Callable[[F], F]:
    """Add --order-by one of these fields, the first where none is given, and --limit."""
    words = f"{', '.join(fields[:-1])} or {fields[-1]}."

    def add(command: F) -> F:
        for option in (
            click.option("--limit", type=whole(1), help=f"At most so many {noun}."),
            click.option(
                "--order-by",
                type=click.Choice([f"{name}{turn}" for name in fields for turn in ("", " desc")]),
                default=fields[0],
                show_default=True,
                metavar="FIELD[ desc]",
                help=words,
            ),
        ):
            command = option(command)
        return command

    return add


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column of a table: its title and the text of a row.

    `right` is for numbers. Free texts may `fold` into several lines where a terminal is narrow.
    """

    title: str
    cell: Callable[[T], str]
    right: bool = False
    fold: bool = False


class Layout(NamedTuple):
    """How things of one kind are listed: columns for people, fields for machines.

    `record` makes the JSON object of a thing; `fields` are its keys that CSV has.
    """

    columns: Sequence[Column[Any]]
    fields: Sequence[str]
    record: Callable[[Any], dict[str, object]]


def write_list(items: Iterable[Any], layout: Layout, form: str) -> None:
    """Print things as a table, csv or json."""
    if form == "table":
        write_table(items, layout.columns)
    elif form == "csv":
        write_csv(map(layout.record, items), layout.fields)
    else:
        write_json(map(layout.record, items))


def write_table(items: Iterable[T], columns: Sequence[Column[T]]) -> None:
    """Print a table; on a terminal, texts are folded to its width. Says so where no row is."""
    width = output_width()
    rows = ([printable(column.cell(item)) for column in columns] for item in items)
    chunk = list(islice(rows, _ROWS))
    titles = [column.title for column in columns]
    widths = _widths([titles, *chunk])
    with_titles = True
    empty = not chunk
    while chunk or with_titles:
        if sum(_widths([titles, *chunk])) + _GAP * (len(titles) - 1) <= width:
            _write_plain(chunk, columns, widths, with_titles)
        else:
            _write_folded(width, chunk, columns, with_titles)
        chunk = list(islice(rows, _ROWS))
        with_titles = False
    if empty:
        sys.stdout.flush()
        click.echo("none", err=True)


def write_csv(records: Iterable[dict[str, object]], fields: Sequence[str]) -> None:
    """Print a header and a line for each record."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    writer.writerows([_csv_value(record[name]) for name in fields] for record in records)


def write_json(records: Iterable[dict[str, object]]) -> None:
    """Print an array with an object on each line."""
    separator = "[\n"
    for record in records:
        sys.stdout.write(separator + json.dumps(record))
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def write_fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Print what is known of one thing, a field a line."""
    rows = [(name, printable(value)) for name, value in pairs]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def output_width() -> int:
    """Return how wide standard output is: a terminal as it is, a file or pipe without bounds."""
    return shutil.get_terminal_size().columns if on_terminal() else _PIPE_WIDTH


def record_of(item: Any) -> dict[str, object]:
    """Return a named tuple as a JSON object; the fields of a file stand beside the others."""
    return dict(_flat(item._asdict().items()))


def plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name.lower()
    return value


def show_time(time: datetime.datetime | None) -> str:
    """Return a time (UTC) to the minute."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}"


def _write_plain(
    rows: Iterable[Sequence[str]],
    columns: Sequence[Column[Any]],
    widths: Sequence[int],
    with_titles: bool,
) -> None:
    """Print rows that need no folding: many times as fast as a table of rich."""
    form = (" " * _GAP).join(
        f"%{width}s" if column.right else f"%-{width}s"
        for column, width in zip(columns, widths, strict=True)
    )
    if with_titles:
        titles = form % tuple(column.title for column in columns)
        click.echo(click.style(titles.rstrip(), bold=True))
    lines = [(form % tuple(cells)).rstrip() for cells in rows]
    if lines:
        click.echo("\n".join(lines))


def _write_folded(
    width: int,
    rows: Iterable[Sequence[str]],
    columns: Sequence[Column[Any]],
    with_titles: bool,
) -> None:
    # Rich takes longer to import than a short answer takes.
    from rich.console import Console  # few need it, and it takes its time
    from rich.table import Table  # few need it, and it takes its time
    from rich.text import Text  # few need it, and it takes its time

    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=with_titles)
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
        )
    for cells in rows:
        table.add_row(*map(Text, cells))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        click.echo(line.rstrip(), color=True)


def _widths(rows: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(len, cells)) for cells in zip(*rows, strict=True)]


def _flat(items: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    for name, value in items:
        if isinstance(value, RawFile):
            known = value._asdict()
            if not (value.name or value.bytes or value.checksum or value.url):
                known = {name: known[name] for name in _ID_FIELDS}
            yield from _flat(known.items())
        else:
            yield name, plain(value)


def _csv_value(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
