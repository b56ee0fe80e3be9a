"""Dead letters: read, replayed, discarded. The ingest service asks for an admin's token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from eventindex.v1 import admin_pb2
from rest_gateway.answers import letter_schemas
from rest_gateway.answers.documents import dead_letter_document
from rest_gateway.answers.streams import json_answer
from rest_gateway.calls.parameters import PageQuery, PathRowId, next_page
from rest_gateway.openapi.contract import document, problems_of
from rest_gateway.parts import ServicesDep
from rest_gateway.security import ChangesDep, may_administrate

router = APIRouter(
    prefix="/dead-letters",
    tags=["dead letters (admin)"],
    dependencies=[Depends(may_administrate)],
)


class DeadLettersQuery(PageQuery):
    """Which dead letters."""

    reason: str = Field("", max_length=200, description="Of one reason only.")
    topic: str = Field("", max_length=2000, description="Of one topic only.")


@router.get(
    "",
    summary="Refused messages",
    responses={
        **document(letter_schemas.DeadLetters, "A page of dead letters."),
        **problems_of(),
    },
)
def list_dead_letters(
    request: Request, services: ServicesDep, query: Annotated[DeadLettersQuery, Query()]
) -> Response:
    """List the refused messages without their payloads."""
    page = services.dead_letters_page(
        admin_pb2.ListDeadLettersRequest(
            page_size=query.page_size,
            page_token=query.page_token,
            reason=query.reason,
            topic=query.topic,
        )
    )
    letters = [letter_schemas.DeadLetter.model_validate(letter) for letter in page.rows]
    answer = letter_schemas.DeadLetters(
        dead_letters=letters, next=next_page(request, page.next_page_token)
    )
    return json_answer(request, answer)


@router.get(
    "/{dead_letter_id}",
    summary="One refused message",
    responses={
        **document(letter_schemas.DeadLetterWithPayload, "With its payload."),
        **problems_of(404),
    },
)
def get_dead_letter(request: Request, services: ServicesDep, dead_letter_id: PathRowId) -> Response:
    """Give the payload too, in base64."""
    return json_answer(request, dead_letter_document(services.get_dead_letter(dead_letter_id)))


@router.post(
    "/{dead_letter_id}/replay",
    summary="Send a refused message through ingest again",
    responses={
        200: {
            "model": letter_schemas.ReplayOutcome,
            "description": "What became of its events.",
        },
        **problems_of(404, 409),
    },
)
def replay_dead_letter(
    services: ServicesDep, dead_letter_id: PathRowId, _: ChangesDep
) -> letter_schemas.ReplayOutcome:
    """Store what is good in it now. The dead letter goes once all of it is settled."""
    return letter_schemas.ReplayOutcome.model_validate(services.replay_dead_letter(dead_letter_id))


@router.delete(
    "/{dead_letter_id}",
    summary="Discard a refused message",
    status_code=204,
    responses={204: {"description": "It is gone for good."}, **problems_of(404)},
)
def discard_dead_letter(services: ServicesDep, dead_letter_id: PathRowId) -> Response:
    """Remove a refused message for good."""
    services.discard_dead_letter(dead_letter_id)
    return Response(status_code=204)
