"""Parameters that several routes share: numbers in paths, selections, pages of a list."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from eventindex.collection_names import chosen_name
from eventindex.criteria import Criteria, mask_of_criteria, names_in
from eventindex.limits import DSID_MAX, NUMBER_MAX
from eventindex.run_lists import parse_run_list
from eventindex.selection import SelectionArguments
from eventindex.told import Told, reason_of, sentence_of, told
from eventindex.uuids import CANONICAL_UUID
from rest_gateway.answers.schemas import Mask, Number
from rest_gateway.answers.streams import link_to
from rest_gateway.lists.negotiate import Form
from rest_gateway.problems import invalid, short

FUID_PATTERN = f"^{CANONICAL_UUID}$"
RUNS_PATTERN = "^[0-9]{1,19}(-[0-9]{1,19})?(,[0-9]{1,19}(-[0-9]{1,19})?)*$"
# Addresses are short; for longer lists there is the client.
RUNS_LENGTH_MAX = 4_000
# Other collections that a selection asks, in each of its lists.
NAMES_MAX = 16
RunNumber = Annotated[Number, Field(description="One run.")]
PathNumber = Annotated[int, Path(ge=0, le=NUMBER_MAX)]
PathFuid = Annotated[str, Path(pattern=FUID_PATTERN, description="UUID of a RAW file.")]
PathDsid = Annotated[int, Path(ge=0, le=DSID_MAX)]
# Of a row of PostgreSQL: a conflict, a dead letter.
PathRowId = Annotated[int, Path(ge=1, le=2**63 - 1)]


CollectionName = Annotated[
    str,
    Field(
        max_length=320,
        description="Of this collection instead of raw; of datasets: of this one alone.",
    ),
]


class Parameters(BaseModel):
    """What a call takes; a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class InCollection(Parameters):
    """Which collection is asked."""

    collection: CollectionName = ""
    detector: str | None = Field(
        None, min_length=1, max_length=128, description="The collection of this telescope."
    )

    @property
    def chosen(self) -> str:
        """The name of the collection; "" where none is given.

        Raises:
            Problem: 400, both are given.
        """
        try:
            return chosen_name(self.collection, self.detector)
        except ValueError as error:
            raise invalid(sentence_of(error), field="detector", value=self.detector) from error


class FileNamesQuery(Parameters):
    """Whether what is noted of files is told."""

    with_file_names: bool = Field(
        False, description="Answer names, sizes, checksums and addresses of the files too."
    )


EventForm = Literal["ndjson", "csv", "parquet", "arrow"]
EVENT_FORMS = (Form.NDJSON, Form.CSV, Form.PARQUET, Form.ARROW)


class PageQuery(Parameters):
    """Which page of a list."""

    page_size: int = Field(100, ge=1, le=10_000, description="Rows on a page.")
    page_token: str = Field("", max_length=4096, description="From `next` of the page before.")


def next_page(request: Request, token: str) -> str | None:
    """Return the address of the page behind this one; None where there is none."""
    return link_to(request, page_token=token) if token else None


class Ranges(Parameters):
    """Runs and event numbers; what is left out does not restrict."""

    run: RunNumber | None = None
    run_first: Number | None = Field(None, description="First run, inclusive.")
    run_last: Number | None = Field(None, description="Last run, inclusive.")
    event_first: Number | None = Field(None, description="First event number, inclusive.")
    event_last: Number | None = Field(None, description="Last event number, inclusive.")

    def check(self) -> None:
        """See that what is given goes together.

        Raises:
            Problem: 400.
        """
        if self.run is not None and (self.run_first, self.run_last) != (None, None):
            raise invalid(
                told("RUN_AND_RANGE", "give run or run_first and run_last, not both"), field="run"
            )
        check_range(self.run_first, self.run_last, "run_first", "run_last")
        check_range(self.event_first, self.event_last, "event_first", "event_last")

    @property
    def run_bounds(self) -> tuple[int | None, int | None] | None:
        """The bounds as the client takes them beside one run."""
        return None if self.run is not None else (self.run_first, self.run_last)

    @property
    def event_bounds(self) -> tuple[int | None, int | None]:
        """The bounds of the event numbers."""
        return self.event_first, self.event_last


_CRITERIA = "With commas between; each a bit (3), a mask (0x5) or a name (muon)."
CriteriaText = Annotated[str, Field(max_length=2_000)]


class Selection(Ranges, InCollection):
    """Which events; what is left out does not restrict."""

    runs: str | None = Field(
        None,
        max_length=RUNS_LENGTH_MAX,
        pattern=RUNS_PATTERN,
        description="Runs and ranges of runs: 5,7-12.",
    )
    dataset: str | None = Field(
        None, max_length=200, description="Number or name of a dataset; digits are a number."
    )
    all: CriteriaText = Field("", description="All of these criteria. " + _CRITERIA)
    any: CriteriaText = Field("", description="At least one of these criteria.")
    none: CriteriaText = Field("", description="None of these criteria.")
    file: str | None = Field(None, pattern=FUID_PATTERN, description="UUID of a RAW file.")
    olt_all: Mask = Field(0, description="All bits of this mask are set in olt_result.")
    olt_any: Mask = Field(0, description="At least one bit of this mask is set; 0: any event.")
    olt_none: Mask = Field(0, description="No bit of this mask is set.")
    also_in: list[CollectionName] = Field(
        default_factory=list,
        max_length=NAMES_MAX,
        description="Events that this collection has too; more than one may be given.",
    )
    not_in: list[CollectionName] = Field(
        default_factory=list,
        max_length=NAMES_MAX,
        description="Events that this collection does not have; more than one may be given.",
    )
    olt_from: CollectionName = Field(
        "", description="The collection whose olt_result counts, instead of the one that is asked."
    )


SelectionQuery = Annotated[Selection, Query()]


def arguments(selection: Selection) -> SelectionArguments:
    """Return the selection as the client takes it.

    Raises:
        Problem: 400, bounds that contradict each other.
    """
    selection.check()
    if both := selection.olt_all & selection.olt_none:
        raise invalid(
            told("MASKS_OVERLAP", "olt_all and olt_none both have {mask}", mask=f"{both:#x}"),
            field="olt_none",
            value=both,
        )
    return {
        "run_ranges": None if selection.runs is None else _run_ranges(selection.runs),
        "run": selection.run,
        "runs": selection.run_bounds,
        "events": selection.event_bounds,
        "dataset": _dataset(selection.dataset),
        "file": selection.file,
        "olt_all": _criteria(selection.olt_all, selection.all, "all"),
        "olt_any": _criteria(selection.olt_any, selection.any, "any"),
        "olt_none": _criteria(selection.olt_none, selection.none, "none"),
        "collection": selection.chosen,
        "also_in": selection.also_in,
        "not_in": selection.not_in,
        "olt_from": selection.olt_from or None,
    }


def _dataset(text: str | None) -> int | str | None:
    """Return the number or the name of a dataset.

    Raises:
        Problem: 400, a number that is too large.
    """
    if text is None or not (text.isascii() and text.isdigit()):
        return text
    if len(text) > len(str(DSID_MAX)) or int(text) > DSID_MAX:
        raise invalid(
            told(
                "FIELD_ABOVE",
                "{field} is {value}: above {bound}",
                field="dataset",
                value=short(text),
                bound="2^31-1",
            ),
            field="dataset",
            value=text,
        )
    return int(text)


def _criteria(mask: int, text: str, field: str) -> Criteria:
    """Return a mask, and the criteria that were named beside it.

    Raises:
        Problem: 400, a bit or a mask that cannot be.
    """
    if not text:
        return mask
    given = text.split(",")
    try:
        mask_of_criteria([each for each in given if not names_in([each])], {})
    except ValueError as error:
        raise invalid(_in_field(field, error), field=field, value=text) from error
    if any(not each.strip() for each in given):
        raise invalid(
            told(
                "FIELD_EMPTY_CRITERION",
                "{field} is {value}: a criterion is empty",
                field=field,
                value=short(text),
            ),
            field=field,
            value=text,
        )
    return [*([hex(mask)] if mask else []), *given]


def _in_field(field: str, error: ValueError) -> str:
    """Return what is wrong with one of the criteria of a field."""
    reason, parameters = reason_of(sentence_of(error))
    text = f"{field}: {error}"
    return Told(text, reason, parameters) if reason else text


def _run_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the runs of a list.

    Raises:
        Problem: 400, a number out of range or a reversed range.
    """
    try:
        return parse_run_list(text.replace(",", "\n").encode()).ranges
    except ValueError as error:
        raise invalid(
            told("RUN_LIST_WRONG", "runs: {problem}", problem=error), field="runs", value=text[:60]
        ) from error


def check_range(first: int | None, last: int | None, first_name: str, last_name: str) -> None:
    """See that a range is not reversed.

    Raises:
        Problem: 400.
    """
    if first is not None and last is not None and first > last:
        raise invalid(
            told(
                "RANGE_REVERSED",
                "{first_field} is {first} and {last_field} is {last}: reversed",
                first_field=first_name,
                first=first,
                last_field=last_name,
                last=last,
            ),
            field=last_name,
            value=last,
        )
