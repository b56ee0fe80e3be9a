"""Options that say which events, shared by the commands that select."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eventindex.cli.shared.common import note, open_input
from eventindex.cli.shared.ranges import whole
from eventindex.collection_names import chosen_name
from eventindex.criteria import MASKS, mask_of_criteria, names_in
from eventindex.errors import InvalidRequestError, NotFoundError
from eventindex.limits import DSID_MAX, NUMBER_MAX

if TYPE_CHECKING:
    from eventindex.client import Client
    from eventindex.run_lists import RunList
    from eventindex.selection import SelectionArguments

F = TypeVar("F", bound=Callable[..., Any])


def number(text: str | int) -> int:
    """Convert a run, event or other number of an option: digits, up to 2^63-1."""
    if isinstance(text, int):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 1000 and int(text) <= NUMBER_MAX:
        return int(text)
    raise click.BadParameter(f"{text[:60]!r} is not a number from 0 to 2^63-1")


def dataset(text: str) -> int | str:
    """Convert a dataset of an option: digits are its number, anything else its name."""
    if not (text.isascii() and text.isdigit()):
        return text
    if len(text) > 1000 or int(text) > DSID_MAX:
        raise click.BadParameter(f"{text[:60]} is above 2^31-1")
    return int(text)


def run_options(function: F) -> F:
    """Add --run, --run-first and --run-last; the command gets them as `run` and `runs`."""

    @click.option("--run", type=number, help="This run.")
    @click.option("--run-first", type=number, help="From this run on.")
    @click.option("--run-last", type=number, help="Up to this run.")
    @functools.wraps(function)
    def wrapped(run: int | None, run_first: int | None, run_last: int | None, **rest: Any) -> Any:
        runs = checked_range(run_first, run_last, "run")
        if run is not None and runs is not None:
            raise click.UsageError("--run excludes --run-first and --run-last")
        return function(run=run, runs=runs, **rest)

    return wrapped  # type: ignore[return-value]


def event_range_options(function: F) -> F:
    """Add --event-first and --event-last; the command gets them as `events`."""

    @click.option("--event-first", type=number, help="From this event number on.")
    @click.option("--event-last", type=number, help="Up to this event number.")
    @functools.wraps(function)
    def wrapped(event_first: int | None, event_last: int | None, **rest: Any) -> Any:
        return function(events=checked_range(event_first, event_last, "event"), **rest)

    return wrapped  # type: ignore[return-value]


def _read_runs_file(_: click.Context, __: click.Parameter, value: str | None) -> RunList | None:
    from eventindex.run_lists import read_run_list

    if value is None:
        return None
    with open_input(value) as stream:
        try:
            found = read_run_list(stream)
        except (ValueError, InvalidRequestError) as error:
            raise click.BadParameter(f"{value}: {error}") from error
    if not found.ranges:
        raise click.BadParameter(f"{value}: names no run")
    if found.not_used:
        note(f"eventindex: {value}: {found.not_used}")
    return found


runs_file_option = click.option(
    "--runs-file",
    "run_list",
    callback=_read_runs_file,
    metavar="FILE",
    help="Runs of a list: numbers and ranges, CMS certification JSON, or an ATLAS good-run list.",
)


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """What was asked for; the names of criteria are looked up when there is a client."""

    arguments: SelectionArguments
    masks: dict[str, tuple[str, ...]]

    def resolve_masks(self, client: Client) -> tuple[int, int, int]:
        """Return the masks for all, any and none.

        Raises:
            click.UsageError: a bit above 63, or bits that are asked for and ruled out.
            NotFoundError: no criterion has this name.
        """
        from eventindex.selection import to_selection

        names = CriterionNames(client)
        olt_all, olt_any, olt_none = (names.mask(self.masks[name]) for name in MASKS)
        try:
            to_selection({"olt_all": olt_all, "olt_any": olt_any, "olt_none": olt_none}, None)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return olt_all, olt_any, olt_none

    def resolve(self, client: Client) -> SelectionArguments:
        """Return the selection with masks in the place of names; raises as `resolve_masks`.

        Raises:
            click.UsageError: what is asked for contradicts itself.
        """
        from eventindex.selection import to_selection

        found = self.arguments.copy()
        found["olt_all"], found["olt_any"], found["olt_none"] = self.resolve_masks(client)
        try:
            to_selection(found, None)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return found


def mask_options(function: F) -> F:
    """Add --all, --any and --none; the command gets `masks`, for `SelectionOptions`."""

    @click.option("--all", "olt_all", multiple=True, metavar="BIT", help="All of these bits.")
    @click.option("--any", "olt_any", multiple=True, metavar="BIT", help="Any of these bits.")
    @click.option("--none", "olt_none", multiple=True, metavar="BIT", help="None of these bits.")
    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        masks = {name: given.pop(name) for name in MASKS}
        return function(masks=masks, **given)

    return wrapped  # type: ignore[return-value]


collection_option = click.option(
    "--collection", metavar="NAME", help="This collection instead of raw; see `collections`."
)


detector_option = click.option(
    "--detector", metavar="ID", help="The collection of this telescope, cosmic.ID."
)


def one_collection(collection: str | None, detector: str | None) -> str:
    """Return the collection that two options stand for, "" where neither is given.

    Raises:
        click.UsageError: both are.
    """
    if collection and detector is not None:
        raise click.UsageError("--detector excludes --collection")
    return chosen_name(collection or "", detector)


def selection_options(function: F) -> F:
    """Add the options of a selection; the command gets `selection`."""

    @run_options
    @event_range_options
    @runs_file_option
    @collection_option
    @detector_option
    @click.option("--also-in", multiple=True, metavar="NAME", help="In this collection too.")
    @click.option("--not-in", multiple=True, metavar="NAME", help="Not in this collection.")
    @click.option("--olt-from", metavar="NAME", help="With the bits of this collection.")
    @click.option("--dataset", type=dataset, help="This dataset, by number or name.")
    @click.option("--file", type=click.UUID, help="This RAW file.")
    @mask_options
    @functools.wraps(function)
    def wrapped(masks: dict[str, tuple[str, ...]], **given: Any) -> Any:
        from eventindex.selection import SelectionArguments

        names = (
            *("run", "runs", "events", "dataset", "file"),
            *("collection", "detector", "also_in", "not_in", "olt_from"),
        )
        run_list = given.pop("run_list")
        arguments = SelectionArguments(**{name: given.pop(name) for name in names})  # type: ignore[typeddict-item]
        if arguments["file"] is not None:
            arguments["file"] = str(arguments["file"])
        if run_list is not None:
            arguments["run_ranges"] = run_list.ranges
        return function(selection=SelectionOptions(arguments, masks), **given)

    return wrapped  # type: ignore[return-value]


limit_option = click.option("--limit", type=whole(1, NUMBER_MAX), help="At most so many events.")


def checked_range(
    first: int | None, last: int | None, name: str
) -> tuple[int | None, int | None] | None:
    """Return two bounds as a range; nothing where there are none."""
    if first is None and last is None:
        return None
    if first is not None and last is not None and first > last:
        raise click.UsageError(f"--{name}-first {first} is above --{name}-last {last}")
    return first, last


class CriterionNames:
    """The bits that have a name, asked for once and only if a name is used."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @functools.cached_property
    def _bits(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for criterion in self._client.criteria():
            found.setdefault(criterion.name, set()).add(criterion.bit)
        return found

    def bit_of(self, text: str) -> int:
        """Return the bit that a number or a name stands for.

        Raises:
            click.UsageError: a number above 63, or a name that several bits had.
            NotFoundError: no criterion has this name.
        """
        return self.mask([text]).bit_length() - 1

    def mask(self, texts: Iterable[str]) -> int:
        """Return the mask of criteria by number, mask or name; raises the same."""
        wanted = list(texts)
        try:
            return mask_of_criteria(wanted, self._bits if names_in(wanted) else {})
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        except NotFoundError as error:
            raise NotFoundError(f"{error}: see `eventindex criteria`") from None
