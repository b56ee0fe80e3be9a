"""Conflicts decided: the stored value kept, or replaced. The ingest service asks for an admin."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from rest_gateway.answers import schemas
from rest_gateway.answers.documents import conflict_document
from rest_gateway.openapi.contract import problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.security import ChangesDep, may_administrate

router = APIRouter(dependencies=[Depends(may_administrate)])


class Decision(BaseModel):
    """What is to become of a conflict."""

    model_config = ConfigDict(extra="forbid")

    resolution: Literal["keep", "replace"] = Field(
        description="keep the stored value, or replace it with the offered one."
    )
    resolved_by: str = Field(min_length=1, max_length=200, description="Who decides.")


@router.post(
    "/conflicts/{conflict_id}/resolve",
    tags=["conflicts"],
    summary="Decide on a conflict",
    responses={
        200: {"model": schemas.Conflict, "description": "The conflict, resolved."},
        **problems_of(404, 409),
    },
)
def resolve_conflict(
    services: ServicesDep,
    conflict_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    decision: Decision,
    _: ChangesDep,
) -> schemas.Conflict:
    """Keep the stored value, or replace it; this needs an admin's token where there are tokens."""
    return conflict_document(
        services.resolve_conflict(
            conflict_id,
            replace=decision.resolution == "replace",
            resolved_by=decision.resolved_by,
        )
    )
