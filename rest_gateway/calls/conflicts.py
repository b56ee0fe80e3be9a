"""Conflicts decided: the stored value kept, or replaced. The ingest service asks for an admin."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from rest_gateway.answers import schemas
from rest_gateway.answers.documents import conflict_document
from rest_gateway.calls.parameters import Parameters, PathRowId
from rest_gateway.openapi.contract import problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.security import ChangesDep, may_administrate

router = APIRouter(dependencies=[Depends(may_administrate)])


class Decision(Parameters):
    """What is to become of a conflict."""

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
        **problems_of(404, 408, 409),
    },
)
def resolve_conflict(
    services: ServicesDep,
    conflict_id: PathRowId,
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
