"""What to list or count, as keyword arguments, checked and put into messages. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias, TypedDict

from eventindex.collection_names import chosen_name
from eventindex.criteria import MASKS, Criteria, mask_of_criteria
from eventindex.limits import DSID_MAX, NUMBER_MAX, OLT_MAX, RUN_RANGES_MAX
from eventindex.numbers import checked_integer
from eventindex.uuids import is_canonical_uuid, uuid_hint
from eventindex.v1 import lookup_pb2

Range: TypeAlias = tuple[int | None, int | None]
# The bits that each name of a criterion is or was of.
Bits: TypeAlias = Mapping[str, AbstractSet[int]]


class SelectionArguments(TypedDict, total=False):
    """Which events; what is left out does not restrict.

    run: one run. runs: (first, last), inclusive, either may be None. run_ranges: runs in one of
    these (first, last), at most 10,000, as `read_run_list` makes them. events: (first, last) event
    number. dataset: its number or its name. file: a `fuid_raw`. olt_all, olt_any, olt_none: masks
    of `olt_result`: all, at least one, none of these bits is set; 0 is no condition. In place of a
    mask, an integer, they take criteria: "muon", "muon,3", ["muon", 3, "0x10"], where a number is a
    bit, 0x… a mask, anything else a name. collection: its name; without it that of the dataset or
    file, or "raw". detector: a telescope, in its place. also_in, not_in: names of collections that
    all have the event too, or of which none has it. olt_from: the collection whose `olt_result`
    counts.
    """

    run: int | None
    runs: Range | None
    run_ranges: Sequence[tuple[int, int]] | None
    events: Range | None
    dataset: int | str | None
    file: str | None
    olt_all: Criteria
    olt_any: Criteria
    olt_none: Criteria
    collection: str | None
    detector: str | int | None
    also_in: Sequence[str]
    not_in: Sequence[str]
    olt_from: str | None


def to_selection(
    arguments: SelectionArguments, dsid_raw: int | None, bits: Bits | None = None
) -> lookup_pb2.EventSelection:
    """Return a selection as the wire carries it.

    Args:
        arguments: what the caller gave.
        dsid_raw: the number of the dataset that the caller may have given by name.
        bits: the bits that each name of a criterion is of.

    Raises:
        ValueError: a number out of range, a reversed range, a file id that is no UUID, or a mask
            that nothing can meet; names the argument and the value.
        TypeError: an argument that is no filter.
    """
    if unknown := sorted(set(arguments) - set(SelectionArguments.__annotations__)):
        raise TypeError(f"unknown filter {unknown[0]!r}")
    first, last = run_bounds(arguments.get("run"), arguments.get("runs"))
    event_first, event_last = bounds(arguments.get("events"), "events")
    olt_all, olt_any, olt_none = (_mask(arguments, name, bits or {}) for name in MASKS)
    if both := olt_all & olt_none:
        raise ValueError(f"olt_all and olt_none both have {both:#x}")
    fuid = arguments.get("file")
    return lookup_pb2.EventSelection(
        run_first=first,
        run_last=last,
        event_first=event_first,
        event_last=event_last,
        dsid_raw=dsid_raw,
        fuid_raw=None if fuid is None else checked_fuid(fuid),
        olt_all=olt_all,
        olt_any=olt_any,
        olt_none=olt_none,
        runs=_run_ranges(arguments.get("run_ranges")),
        collection=chosen_name(arguments.get("collection") or "", arguments.get("detector")),
        also_in=arguments.get("also_in") or (),
        not_in=arguments.get("not_in") or (),
        olt_from=arguments.get("olt_from") or "",
    )


def run_bounds(run: int | None, runs: Range | None) -> Range:
    """Return the bounds of one run or of a range of runs."""
    if run is None:
        return bounds(runs, "runs")
    if runs is not None:
        raise ValueError("give run or runs, not both")
    number = checked_number(run, "run", NUMBER_MAX)
    return number, number


def bounds(given: Range | None, name: str) -> Range:
    """Return the bounds of a range, either of which may be open."""
    if given is None:
        return None, None
    if not isinstance(given, tuple) or len(given) != 2:
        raise ValueError(f"{name} is {given!r}, not (first, last)")
    first, last = (
        None if value is None else checked_number(value, name, NUMBER_MAX) for value in given
    )
    if first is not None and last is not None and first > last:
        raise ValueError(f"{name}: {first} to {last} is reversed")
    return first, last


def checked_number(value: object, name: str, maximum: int) -> int:
    """Return an integer from 0 to a maximum."""
    return checked_integer(value, name, maximum)


def checked_fuid(value: object) -> str:
    """Return a file id in canonical form."""
    if not isinstance(value, str) or not is_canonical_uuid(value):
        raise ValueError(f"file is {value!r}, not a UUID{uuid_hint(value)}")
    return value


def checked_dsid(value: object) -> int:
    """Return a dataset number."""
    return checked_number(value, "dataset", DSID_MAX)


def mask_of(bits: Iterable[int]) -> int:
    """Return the mask that has these bits, 0 to 63."""
    mask = 0
    for bit in bits:
        mask |= 1 << checked_number(bit, "bit", 63)
    return mask


def _run_ranges(given: Sequence[tuple[int, int]] | None) -> list[lookup_pb2.RunRange]:
    if given is None:
        return []
    if not given:
        raise ValueError("run_ranges is empty: no run is meant")
    if len(given) > RUN_RANGES_MAX:
        raise ValueError(f"run_ranges has {len(given):,} ranges, above {RUN_RANGES_MAX:,}")
    found = []
    for index, pair in enumerate(given):
        first, last = bounds(pair, f"run_ranges {index}")
        if first is None or last is None:
            raise ValueError(f"run_ranges {index} is {pair!r}, not two numbers")
        found.append(lookup_pb2.RunRange(first=first, last=last))
    return found


def _mask(arguments: SelectionArguments, name: str, bits: Bits) -> int:
    given: Any = arguments.get(name, 0)
    if isinstance(given, str | list | tuple | set | frozenset):
        given = mask_of_criteria(given, bits)
    return checked_number(given, name, OLT_MAX)
