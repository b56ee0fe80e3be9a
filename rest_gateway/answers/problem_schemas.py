"""The documents of what went wrong, as the OpenAPI document describes them. Pure."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from rest_gateway.answers.schemas import Document


class ListError(Document):
    """A line, element or parameter that is wrong."""

    field: str = Field(
        description="run_number, event_number, pair, columns, or the parameter's name."
    )
    value: str = Field(description="What stood there, shortened.")
    detail: str = Field(description="What is wrong with it.")
    line: int | None = Field(
        None, ge=1, description="Line of a text list, or row of a table, from 1."
    )
    pointer: str | None = Field(None, description="JSON pointer into the body.")
    reason: str | None = Field(None, description="The code of `detail`, where it has one.")
    parameters: dict[str, str] | None = Field(None, description="What stands in `detail`, by name.")


class ProblemDocument(Document):
    """What went wrong (RFC 9457). Programs tell problems by `type`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:eventindex:problem:not-found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "run 12345 has no event 1",
                }
            ]
        },
    )

    type: str = Field(description="urn:eventindex:problem:<kind>")
    title: str
    status: int
    detail: str = Field(description="What is wrong, with the field and the value.")
    errors: list[ListError] | None = Field(None, description="Each wrong line or field.")
    limit: int | None = Field(None, description="The limit that was passed (413).")
    unit: str | None = Field(None, description="The unit of the limit (413).")
    setting: str | None = Field(None, description="The setting that is the limit (413).")
    reason: str | None = Field(
        None, description="The code of `detail`, such as RUN_NOT_FOUND, where it has one."
    )
    parameters: dict[str, str] | None = Field(
        None, description="What stands in `detail`, by name: for readers of other languages."
    )
