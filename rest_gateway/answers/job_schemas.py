"""The documents of jobs, as the OpenAPI document describes them. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from rest_gateway.answers.schemas import Count, Document, Time


class Job(Document):
    """A list that is looked up in the background."""

    job_id: str
    state: Literal["queued", "done", "failed"] = Field(
        description="queued until the last pair is answered."
    )
    created: Time
    finished: Time | None
    expires: Time = Field(description="The job and its result are removed then.")
    pairs: Count
    pairs_done: Count
    found: Count
    not_found: Count
    with_olt_result: bool
    errors: list[dict[str, Any]] = Field(description="Lines or elements that are not pairs.")
    failure: str = Field(description="Why it failed.")
    links: dict[str, str] = Field(description="self, events, and result once it is done.")
