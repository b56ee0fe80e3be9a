"""`eventindex compare --expected`: what a collection has of another one."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eventindex.cli.shared.common import EXIT_NOT_ALL, counted, note
from eventindex.cli.shared.listing import Column, Layout, on_terminal, write_list
from eventindex.cli.shared.progress import ProgressReport
from eventindex.cli.shared.selection_options import (
    SelectionOptions,
    checked_range,
    mask_options,
    number,
)

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.completeness import Completeness

F = TypeVar("F", bound=Callable[..., Any])

# Lines of one state that a terminal shows.
_LINES_SHOWN = 50
_STATES = ("complete", "incomplete", "missing", "extra")


@dataclass(frozen=True, slots=True)
class ExpectedCollection:
    """The collection whose events should be there; `name` is None where a list says so."""

    name: str | None
    by: str | None
    with_complete: bool
    run_first: int | None
    run_last: int | None
    masks: dict[str, tuple[str, ...]]

    @property
    def options(self) -> dict[str, object]:
        """What was given, by the names of the options."""
        return {
            "--by": self.by,
            "--with-complete": self.with_complete,
            "--run-first": self.run_first,
            "--run-last": self.run_last,
            **{f"--{name.removeprefix('olt_')}": bits for name, bits in self.masks.items()},
        }


def expected_options(function: F) -> F:
    """Add the options that say what is expected of a collection; the command gets `wanted`."""

    @click.option("--expected", metavar="NAME", help="Compare with this collection, not FILE.")
    @click.option(
        "--by",
        type=click.Choice(["run", "file"]),
        help="What to compare collections by, default run.",
    )
    @click.option("--with-complete", is_flag=True, help="Print what is complete too.")
    @click.option("--run-first", type=number, help="From this run on.")
    @click.option("--run-last", type=number, help="Up to this run.")
    @mask_options
    @functools.wraps(function)
    def wrapped(expected: str | None, **given: Any) -> Any:
        names = ("by", "with_complete", "run_first", "run_last", "masks")
        wanted = ExpectedCollection(expected, **{name: given.pop(name) for name in names})
        return function(wanted=wanted, **given)

    return wrapped  # type: ignore[return-value]


def compare_collections(
    connect: Callable[[], Client],
    wanted: ExpectedCollection,
    *,
    expected: str,
    collection: str,
    run: int | None,
    form: str,
) -> None:
    """Print what a collection lacks of another, or has beyond it; exit 3 where it does."""
    from eventindex.completeness import ExpectedArguments
    from eventindex.selection import SelectionArguments

    runs = checked_range(wanted.run_first, wanted.run_last, "run")
    by = wanted.by or "run"
    tally = _Tally(with_complete=wanted.with_complete, form=form)
    with connect() as client, ProgressReport("comparing", None) as progress:
        options = SelectionOptions(SelectionArguments(), wanted.masks)
        olt_all, olt_any, olt_none = options.resolve_masks(client)
        selection = ExpectedArguments(
            run=run, runs=runs, olt_all=olt_all, olt_any=olt_any, olt_none=olt_none
        )
        try:
            found = client.compare_collections(expected, collection, by=by, **selection)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        lines = list(tally.lines(found, progress))
    if lines or form != "table":
        write_list(lines, _layout(by), form)
    _finish(tally, expected, collection, by)


def _finish(tally: _Tally, expected: str, collection: str, by: str) -> None:
    if not tally.expected:
        raise click.UsageError(f"{expected} has no such event: nothing was compared")
    for state, more in tally.left_out.items():
        click.echo(f"… and {more:,} more {state} (--format csv prints all)")
    states = ", ".join(f"{tally.states[state]:,} {state}" for state in _STATES)
    note(
        f"{counted(tally.expected, 'event')} of {expected} expected in {collection}: "
        f"{tally.missing:,} missing, {tally.extra:,} extra"
    )
    note(f"{counted(tally.states.total(), by)}: {states}")
    if tally.missing or tally.extra:
        sys.exit(EXIT_NOT_ALL)


class _Tally:
    """Counts what there is, and passes on what is to be printed."""

    def __init__(self, *, with_complete: bool, form: str) -> None:
        self.expected = self.missing = self.extra = 0
        self.states: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._with_complete = with_complete
        self._all = form != "table" or not on_terminal()

    def lines(
        self, found: Iterable[Completeness], progress: ProgressReport
    ) -> Iterator[Completeness]:
        """Yield the lines to print."""
        for one in found:
            self.expected += one.expected
            self.missing += one.missing
            self.extra += one.extra
            self.states[one.state] += 1
            progress.at(self.states.total(), counted(self.expected, "event"))
            if one.state == "complete" and not self._with_complete:
                continue
            if self._all or self.states[one.state] <= _LINES_SHOWN:
                yield one
            else:
                self.left_out[one.state] += 1


def _record(line: Completeness) -> dict[str, object]:
    return {"state": line.state, **line._asdict(), "missing": line.missing}


_NUMBERS: list[Column[Completeness]] = [
    Column("expected", lambda one: f"{one.expected:,}", right=True),
    Column("found", lambda one: f"{one.found:,}", right=True),
    Column("missing", lambda one: f"{one.missing:,}", right=True),
    Column("extra", lambda one: f"{one.extra:,}", right=True),
]
_STATE: Column[Completeness] = Column("state", lambda one: one.state)
_COLUMNS: dict[str, list[Column[Completeness]]] = {
    "run": [_STATE, Column("run", lambda one: str(one.run_number), right=True), *_NUMBERS],
    "file": [
        _STATE,
        Column("file", lambda one: one.fuid_raw or "", fold=True),
        Column("collection", lambda one: one.collection, fold=True),
        *_NUMBERS,
    ],
}


def _layout(by: str) -> Layout:
    fields = ["state", *(["run_number"] if by == "run" else ["collection", "fuid_raw", "dsid_raw"])]
    return Layout(_COLUMNS[by], [*fields, "expected", "found", "missing", "extra"], _record)
