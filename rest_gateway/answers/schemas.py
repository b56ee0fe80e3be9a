"""The documents of the REST API, as the OpenAPI document describes them. Pure.

Numbers are JSON numbers of up to 64 bits: readers in JavaScript lose those above 2^53 unless they
parse them as BigInt. File ids are strings. Times are UTC, RFC 3339.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from eventindex.limits import NUMBER_MAX

Number = Annotated[int, Field(ge=0, le=NUMBER_MAX)]
Mask = Annotated[int, Field(ge=0, le=2**64 - 1, description="Bit mask of the online filter.")]
Count = Annotated[int, Field(ge=0)]
State = Literal["open", "frozen", "retired", "unknown"]
Fuid = Annotated[str, Field(description="UUID of a RAW file.")]
NextLink = Annotated[
    str | None, Field(description="Address of the next page; null behind the last.")
]
Time = datetime.datetime


class Document(BaseModel):
    """What all documents share."""

    model_config = ConfigDict(from_attributes=True)


class Answer(Document):
    """The answer to one pair; nulls where it is not in the index."""

    run_number: Number
    event_number: Number
    fuid_raw: str | None = Field(description="UUID of the RAW file that holds the event.")
    dsid_raw: int | None = Field(description="Number of the dataset.")
    dataset_state: State | None = None
    name: Annotated[
        str | None, Field(description="Only with with_file_names=true, as the next three.")
    ] = None
    bytes: int | None = None
    checksum: str | None = None
    url: str | None = None
    olt_result: int | None = Field(None, description="Only with olt_result=true.")


class LookupAnswer(Document):
    """The answers to a list, in its order, and what in the list was no pair."""

    pairs: Count = Field(description="Pairs in the list.")
    errors: list[dict[str, Any]] = Field(description="Lines or elements that are not pairs.")
    answers: list[Answer]
    found: Count
    not_found: Count
    unknown_runs: list[int] | None = Field(
        description="Runs of pairs that were not found and that the index does not have, of the "
        "first 1,000; the others lack the event. null where the index did not tell."
    )
    other_collections: list[str] = Field(
        description="Where nothing was found: collections that hold runs which this one does not."
    )


class PairList(Document):
    """A list of (run, event) pairs."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"pairs": [[12345, 4917], [1, 99]]}]}
    )

    pairs: list[tuple[Number, Number]] = Field(description="[run_number, event_number] each.")


class Event(Document):
    """One event with all its fields."""

    run_number: Number
    event_number: Number
    olt_result: Mask
    dsid_raw: Count
    fuid_raw: Fuid
    dataset_state: State


class Named(Document):
    """What is noted of a file, where it was asked for."""

    name: str | None = Field(
        None, description="Its name in its storage; with with_file_names=true, as the next three."
    )
    bytes: int | None = Field(None, description="Its size.")
    checksum: str | None = None
    url: str | None = Field(None, description="Where a job finds it.")


class NamedEvent(Event, Named):
    """One event with all its fields, and what is noted of its file."""


class EventCount(Document):
    """Events of one run, dataset, file or bit; the other fields are null."""

    events: Count
    run_number: int | None = None
    dsid_raw: int | None = None
    fuid_raw: str | None = None
    olt_bit: int | None = Field(None, description="Bit of olt_result, 0 to 63.")
    olt_name: str = Field("", description="The criterion's name; empty where it has none.")


class EventCounts(Document):
    """Numbers of events of a selection."""

    total: Count
    counts: list[EventCount]


class Overlap(Document):
    """Events that have both bits; with twice the same bit, those that have it."""

    olt_bit: int
    other_olt_bit: int
    events: Count
    olt_name: str = ""
    other_olt_name: str = ""


class Overlaps(Document):
    """How the criteria of a selection overlap."""

    total: Count
    overlaps: list[Overlap]


class Status(Document):
    """What the index holds in all."""

    version: str = Field(description="Of the index service.")
    events: Count
    runs: Count
    files: Count = Field(description="RAW files by run; of more than a million an estimate.")
    datasets: Count
    collections: Count
    last_seen: Time | None = Field(description="When the last event came in; null without one.")
    bytes: Count = Field(description="On disk.")
    shards: Count = Field(description="Parts of a table by run on a cluster; 0 on one server.")
    nodes: Count = Field(description="Those that hold the shards; 0 on one server.")


class Run(Document):
    """One run."""

    run_number: Number
    events: Count
    event_first: Count
    event_last: Count
    files: Count
    conflicts: Count = Field(description="Not resolved.")
    first_seen: Time
    last_seen: Time
    detector_id: str = Field(description="Empty for runs that no telescope sent.")
    collection: str


class Runs(Document):
    """A page of runs."""

    runs: list[Run]
    next: NextLink


class Dataset(Document):
    """One dataset."""

    dsid_raw: Count
    name: str
    state: State
    comment: str
    created: Time | None
    events: Count
    files: Count
    collection: str


class Datasets(Document):
    """A page of datasets."""

    datasets: list[Dataset]
    next: NextLink


class FileOfRun(Named):
    """A RAW file and what the index holds of it in one run."""

    fuid_raw: Fuid
    dsid_raw: Count
    dataset_state: State
    run_number: Number
    events: Count
    event_first: Count
    event_last: Count
    collection: str


class Files(Document):
    """A page of files of runs."""

    files: list[FileOfRun]
    next: NextLink


class RelatedFile(Document):
    """A file of another collection that holds so many events of the one that is asked for."""

    fuid_raw: Fuid
    dsid_raw: Count
    dataset_state: State
    collection: str
    events: Count
    name: str | None = Field(None, description="Its name in its storage; with_file_names=true.")


class File(Document):
    """The runs of one RAW file."""

    fuid_raw: Fuid
    runs: list[FileOfRun]
    parents: list[RelatedFile] = Field(
        description="With with_parents=true: by collection, the nearest first, then by events."
    )
    children: list[RelatedFile] = Field(description="With with_children=true; ordered as parents.")


class Conflict(Document):
    """An event that was offered again with other values; the stored ones stay."""

    conflict_id: Count
    stored: Event
    offered: Event
    source: str
    first_seen: Time | None
    last_seen: Time | None
    times: Count
    stored_record: str = Field(description="A telescope's record as JSON where they differ.")
    offered_record: str
    resolution: str = Field(description="Empty, kept or replaced.")
    resolved_by: str
    resolved: Time | None
    collection: str


class Conflicts(Document):
    """A page of conflicts."""

    conflicts: list[Conflict]
    next: NextLink
