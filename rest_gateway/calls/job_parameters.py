"""The parameters of the calls of jobs."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from rest_gateway.calls.parameters import InCollection, Parameters
from rest_gateway.openapi.contract import columns_field

JobId = Annotated[uuid.UUID, Path(description="From the answer to POST.")]


class JobQuery(InCollection):
    """How to look a list up."""

    olt_result: bool = Field(False, description="Answer the online filter's bits too.")
    columns: str | None = columns_field()


class ResultQuery(Parameters):
    """The form of a result."""

    format: Literal["json", "ndjson", "csv", "parquet", "arrow"] | None = Field(
        None, description="The form, instead of Accept."
    )
