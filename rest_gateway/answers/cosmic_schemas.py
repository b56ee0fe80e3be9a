"""The documents of telescope events, as the OpenAPI document describes them. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rest_gateway.answers.schemas import Count, Document, Fuid, Number, Time


class TdcChannel(Document):
    """One channel of a telescope's time-to-digital converter."""

    data: list[int]
    calib: list[int]
    calib1: int | None
    calib2: int | None


class CosmicEvent(Document):
    """The full record of a telescope event; null is what the detector left out."""

    run_number: Number
    event_number: Number
    detector_id: str
    time: Time | None
    format: int | None
    cosmic_block: int | None
    trigger_bits: int | None
    tdc: dict[str, TdcChannel]
    clock_count: int | None
    trigger_counter: int | None
    epoch: int | None
    counter_clocks: int | None
    event_counter: int | None
    payload: str = Field(description="The record as JSON, with every field that was sent.")
    repaired: bool
    fuid_raw: Fuid
    dsid_raw: Count
    clock_problem: Literal["", "ahead", "never_set"] = Field(
        description="Why the time is doubtful: more than a day ahead when it came in, or in the "
        "first day of the detector's epoch, where a clock begins that nobody set."
    )


class CosmicCount(Document):
    """Telescope events of one run, block, hour or detector; the other fields are null."""

    events: Count
    detector_id: str | None = None
    run_number: int | None = None
    cosmic_block: int | None = None
    hour: Time | None = None


class CosmicCounts(Document):
    """Numbers of telescope events."""

    total: Count
    counts: list[CosmicCount]
