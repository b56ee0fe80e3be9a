"""Which events, as query parameters that several routes share. Pure."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from eventindex.columns import DSID_MAX
from eventindex.run_lists import parse_run_list
from eventindex.selection import SelectionArguments
from rest_gateway.answers.schemas import Mask, Number
from rest_gateway.problems import invalid

FUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
RUNS_PATTERN = "^[0-9]{1,19}(-[0-9]{1,19})?(,[0-9]{1,19}(-[0-9]{1,19})?)*$"
# Of an address; a longer list goes by a client of the index.
RUNS_LENGTH_MAX = 4_000
RunNumber = Annotated[Number, Field(description="One run.")]


class Selection(BaseModel):
    """Which events; what is left out does not restrict."""

    model_config = ConfigDict(extra="forbid")

    run: RunNumber | None = None
    run_first: Number | None = Field(None, description="First run, inclusive.")
    run_last: Number | None = Field(None, description="Last run, inclusive.")
    runs: str | None = Field(
        None,
        max_length=RUNS_LENGTH_MAX,
        pattern=RUNS_PATTERN,
        description="Runs and ranges of runs: 5,7-12.",
    )
    event_first: Number | None = Field(None, description="First event number, inclusive.")
    event_last: Number | None = Field(None, description="Last event number, inclusive.")
    dataset: int | None = Field(None, ge=0, le=DSID_MAX, description="Number of a dataset.")
    file: str | None = Field(None, pattern=FUID_PATTERN, description="UUID of a RAW file.")
    olt_all: Mask = Field(0, description="All bits of this mask are set in olt_result.")
    olt_any: Mask = Field(0, description="At least one bit of this mask is set; 0: any event.")
    olt_none: Mask = Field(0, description="No bit of this mask is set.")


SelectionQuery = Annotated[Selection, Query()]


def arguments(selection: Selection) -> SelectionArguments:
    """Return the selection as the client takes it.

    Raises:
        Problem: 400, bounds that contradict each other.
    """
    run_range = (selection.run_first, selection.run_last)
    if selection.run is not None and run_range != (None, None):
        raise invalid("give run or run_first and run_last, not both", field="run")
    check_range(selection.run_first, selection.run_last, "run_first", "run_last")
    check_range(selection.event_first, selection.event_last, "event_first", "event_last")
    if both := selection.olt_all & selection.olt_none:
        raise invalid(f"olt_all and olt_none both have {both:#x}", field="olt_none", value=both)
    return {
        "run_ranges": None if selection.runs is None else _run_ranges(selection.runs),
        "run": selection.run,
        "runs": None if selection.run is not None else run_range,
        "events": (selection.event_first, selection.event_last),
        "dataset": selection.dataset,
        "file": selection.file,
        "olt_all": selection.olt_all,
        "olt_any": selection.olt_any,
        "olt_none": selection.olt_none,
    }


def _run_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the runs of a list.

    Raises:
        Problem: 400, a number out of range or a reversed range.
    """
    try:
        return parse_run_list(text.replace(",", "\n").encode()).ranges
    except ValueError as error:
        raise invalid(f"runs: {error}", field="runs", value=text[:60]) from error


def check_range(first: int | None, last: int | None, first_name: str, last_name: str) -> None:
    """See that a range is not reversed.

    Raises:
        Problem: 400.
    """
    if first is not None and last is not None and first > last:
        raise invalid(
            f"{first_name} is {first} and {last_name} is {last}: reversed",
            field=last_name,
            value=last,
        )
