"""The documents of dead letters, as the OpenAPI document describes them. Pure."""

from __future__ import annotations

from pydantic import Field

from rest_gateway.answers.schemas import Count, Document, NextLink, Time


class DeadLetter(Document):
    """A refused message or element."""

    dead_letter_id: Count
    topic: str
    payload_bytes: Count
    truncated: bool = Field(description="The payload was cut; it cannot be replayed.")
    reason: str
    detail: str
    source: str
    received: Time | None
    detail_reason: str = Field("", description="The code of `detail`; empty where it has none.")
    detail_parameters: dict[str, str] = Field({}, description="What stands in `detail`, by name.")
    request_id: str = Field(
        description="In the log of ingest_service it leads to the message and to its commit; "
        "empty where it was kept by an older release."
    )


class DeadLetterWithPayload(DeadLetter):
    """A refused message with what it held."""

    payload_base64: str


class DeadLetters(Document):
    """A page of dead letters."""

    dead_letters: list[DeadLetter]
    next: NextLink


class Rejection(Document):
    """An event that was not stored."""

    index: Count
    reason: str


class ReplayOutcome(Document):
    """What became of the events of a replayed message."""

    inserted: Count
    duplicates: Count
    conflicts: Count
    rejected: Count
    rejections: list[Rejection]
