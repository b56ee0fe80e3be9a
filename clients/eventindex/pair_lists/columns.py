"""Which columns of a list hold the run and the event number: said by hand or by a header. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

# Tried in this order; "" is any run of blanks.
DELIMITERS = (",", ";", "\t", ":", "/", "")

_RUN_NAMES = frozenset({"run", "runnumber", "runnum", "runno", "runnr", "runid"})
_EVENT_NAMES = frozenset(
    {"event", "eventnumber", "eventnum", "eventno", "eventnr", "eventid"}
    | {"evt", "evtnumber", "evtnum", "evtno", "evtnr", "evtid"}
)
# The other words that a header separated by blanks may have; with any other it is a sentence.
_LUMI_NAMES = frozenset({"lumi", "ls", "lumisection", "lumiblock", "luminosityblock", "lb", "lbn"})
_NOT_IN_NAMES = re.compile(r"[\s_.-]+")
_NAME = re.compile(r"[^\W\d]\w*")


class PairListError(ValueError):
    """A list that cannot be read at all, or not to its end: one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the numbers of a pair stand in a line.

    Attributes:
        run, event: the places of the run and the event number, from 0.
        width: how many columns there are; said by hand, more may follow.
        delimiter: what stands between them; None is whatever fits the line.
        by_hand: whether somebody said so. A header is then passed over.
    """

    run: int = 0
    event: int = 1
    width: int = 2
    delimiter: str | None = None
    by_hand: bool = False

    @property
    def of_two(self) -> bool:
        """Return whether there is nothing but the two."""
        return self.width == 2

    def pick(self, cells: Sequence[T]) -> tuple[T, T] | None:
        """Return what stands at the two places; None for a line of another width."""
        if len(cells) < self.width or (len(cells) > self.width and not self.by_hand):
            return None
        return cells[self.run], cells[self.event]


def parse_columns(text: str) -> Columns:
    """Return what `run,-,event` says: a word for each column, `-` for one that is passed over.

    Raises:
        ValueError: another word, or not the run and the event number once each.
    """
    words = [word.strip() for word in text.split(",")]
    kinds = [_kind(word) for word in words]
    for word, kind in zip(words, kinds, strict=True):
        if kind is None and word != "-":
            raise ValueError(f"{word[:60]!r} is neither run nor event nor -, as in run,-,event")
    if kinds.count("run") != 1 or kinds.count("event") != 1:
        raise ValueError(f"{text[:60]!r} does not name run and event once each, as run,-,event")
    return Columns(kinds.index("run"), kinds.index("event"), len(words), by_hand=True)


def of_names(names: Sequence[str]) -> Columns | None:
    """Return where names of columns say that the numbers are; None where one is not there.

    Raises:
        PairListError: two columns for the same number.
    """
    kinds = [_kind(name) for name in names]
    if "run" not in kinds or "event" not in kinds:
        return None
    for kind in ("run", "event"):
        if kinds.count(kind) > 1:
            both = [name.strip() for name, each in zip(names, kinds, strict=True) if each == kind]
            raise PairListError(
                f"the columns {' and '.join(map(repr, both[:2]))} may both be the {kind} number: "
                "say which one counts, as in columns=run,-,event"
            )
    return Columns(kinds.index("run"), kinds.index("event"), len(names))


def of_header(line: str) -> Columns | None:
    """Return what a line says as a header; None where it is none.

    Raises:
        PairListError: two columns for the same number.
    """
    for delimiter in DELIMITERS:
        names = split(line, delimiter)
        found = of_names(names)
        if found is None or (not delimiter and not _are_words(names)):
            continue
        return Columns(found.run, found.event, found.width, delimiter)
    return None


def is_named(line: str, columns: Columns) -> bool:
    """Return whether names stand where columns said by hand have numbers."""
    for delimiter in DELIMITERS:
        picked = columns.pick(split(line, delimiter))
        if picked and all(map(_NAME.fullmatch, picked)):
            return True
    return False


def split(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line without the blanks and quotes around them."""
    if not delimiter:
        return [unquoted(cell) for cell in line.split()]
    cells = line.split(delimiter)
    if '"' in line:
        cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), cells)
    return [unquoted(cell) for cell in cells]


def unquoted(cell: str) -> str:
    """Return a cell without blanks and one pair of quotes around it."""
    cell = cell.strip()
    if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "\"'":
        return cell[1:-1].strip()
    return cell


def _kind(name: str) -> str | None:
    name = _NOT_IN_NAMES.sub("", name).lower()
    if name in _RUN_NAMES:
        return "run"
    return "event" if name in _EVENT_NAMES else None


def _are_words(names: Sequence[str]) -> bool:
    return all(_kind(name) or name.lower() in _LUMI_NAMES for name in names)
