"""Which branches of a tree hold the run, the event number and the trigger decisions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple

from eventindex.limits import CRITERIA_MAX
from eventindex.root_files.errors import CriteriaError, RootFileError

# What people may call a field of --columns, and the contract's name.
ALIASES = {"run": "run_number", "event": "event_number", "olt": "olt_result"}
_USUAL_NAMES = {"run_number": ("run", "runnumber"), "event_number": ("event", "eventnumber")}
_WORDS = {"i": "integers", "u": "integers", "f": "floating-point numbers", "b": "booleans"}
_NAMES_SHOWN = 20
_NEAR_SHOWN = 5


class Branch(NamedTuple):
    """A branch and the kind of its values: i, u, f, b as in NumPy, "" when not one number each."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read from a file.

    Attributes:
        tree: name of the tree; None: the only one with a run and an event number.
        columns: branches by the contract's field names, where they are not the usual ones.
        run_number: run of all events, for trees without.
        criteria: names and patterns of boolean branches, in the order of their bits.
    """

    tree: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    run_number: int | None = None
    criteria: tuple[str, ...] = ()


class Columns(NamedTuple):
    """The branches to read; `run` is None where one run number stands for all."""

    run: str | None
    event: str
    mask: str | None
    criteria: tuple[str, ...]

    def names(self) -> list[str]:
        """Return the branches, each once."""
        found = [self.run, self.event, self.mask, *self.criteria]
        return list(dict.fromkeys(name for name in found if name))


def find_columns(branches: Sequence[Branch], wanted: Wanted) -> Columns:
    """Return the branches of a tree that hold what is wanted.

    Raises:
        RootFileError: a branch is missing or holds something else; names it.
        CriteriaError: more criteria than a mask has bits.
    """
    run = None
    if wanted.run_number is None or "run_number" in wanted.columns:
        run = _number_branch(branches, "run_number", wanted)
    event = _number_branch(branches, "event_number", wanted)
    mask = wanted.columns.get("olt_result")
    if mask is not None:
        _check_integers(_named(branches, mask), mask)
    return Columns(run, event, mask, find_criteria(branches, wanted.criteria))


def find_criteria(branches: Sequence[Branch], patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the boolean branches that names and patterns stand for, each at its first place.

    Raises:
        RootFileError: a name or pattern that no branch has, or a branch of another kind.
        CriteriaError: more than 64.
    """
    booleans = [branch.name for branch in branches if branch.kind == "b"]
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in booleans if fnmatchcase(name, pattern)]
        if not matching and any(branch.name == pattern for branch in branches):
            raise RootFileError(f"branch {pattern!r} does not hold booleans")
        if not matching:
            raise RootFileError(f"no boolean branch matches {pattern!r}{_near(pattern, booleans)}")
        if len(matching) > CRITERIA_MAX:
            raise CriteriaError(
                f"{pattern!r} matches {len(matching)} branches, above {CRITERIA_MAX}"
            )
        found.update(dict.fromkeys(matching))
    if len(found) > CRITERIA_MAX:
        raise CriteriaError(f"there are {len(found)} criteria, above {CRITERIA_MAX}")
    return tuple(found)


def _near(pattern: str, booleans: Sequence[str]) -> str:
    """Return in words which branches may have been meant."""
    near = get_close_matches(pattern, booleans, n=_NEAR_SHOWN)
    return f"; near it are {', '.join(near)}" if near else ""


def _number_branch(branches: Sequence[Branch], of_field: str, wanted: Wanted) -> str:
    given = wanted.columns.get(of_field)
    if given is not None:
        _check_numbers(_named(branches, given), given)
        return given
    usual = [b for b in branches if _plain(b.name) in _USUAL_NAMES[of_field]]
    # A whole name comes before the last part of one, as in EventInfo.runNumber.
    usual = [b for b in usual if "." not in b.name and "/" not in b.name] or usual
    if not usual:
        raise RootFileError(
            f"no branch holds the {of_field.replace('_', ' ')}: name it by --columns; "
            f"{integers_text(branches)}"
        )
    if len(usual) > 1:
        names = ", ".join(branch.name for branch in usual)
        raise RootFileError(f"{names} may all be the {of_field}: name one by --columns")
    _check_numbers(usual[0], usual[0].name)
    return usual[0].name


def _named(branches: Sequence[Branch], name: str) -> Branch:
    for branch in branches:
        if branch.name == name:
            return branch
    raise RootFileError(f"no branch {name!r}; {integers_text(branches)}")


def _check_numbers(branch: Branch, name: str) -> None:
    # Floating-point numbers are told with the first entry's value when they are read.
    if branch.kind not in {"i", "u", "f"}:
        what = _WORDS.get(branch.kind, "no single number for each event")
        raise RootFileError(f"branch {name!r} holds {what}, not integers")


def _check_integers(branch: Branch, name: str) -> None:
    if branch.kind not in {"i", "u"}:
        what = _WORDS.get(branch.kind, "no single number for each event")
        raise RootFileError(f"branch {name!r} holds {what}, not integers")


def integers_text(branches: Sequence[Branch]) -> str:
    """Return the names of the integer branches in words."""
    names = [branch.name for branch in branches if branch.kind in {"i", "u"}]
    if not names:
        return "there are no integer branches"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"integer branches: {', '.join(names[:_NAMES_SHOWN])}{more}"


def _plain(name: str) -> str:
    last = name.replace("/", ".").rpartition(".")[2]
    return last.replace("_", "").lower()
