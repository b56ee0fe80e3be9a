"""What the OpenAPI document says of answers and bodies that are streams. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from rest_gateway import problems
from rest_gateway.answers.schemas import PairList
from rest_gateway.lists.negotiate import MEDIA_TYPES, TABLE_FORMS, Form

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
}
_RETRY = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
}
_TEXTS = {
    400: "The request makes no sense; `errors` names each field or line.",
    401: "A valid token is needed.",
    403: "The token may not do this, or the call may come from a page of another site.",
    404: "There is no such thing.",
    406: "There is no such form of the answer.",
    408: "The body stopped coming.",
    409: "Not in the state that this needs.",
    413: "Above a limit, which is named.",
    415: "A list of pairs does not come in this type.",
    421: "`Host` is none of the gateway's names.",
    429: "The caller has too many requests at once: try again.",
    502: "A service failed.",
    503: "A service is away or has too much to do: try again.",
    504: "A service did not answer in time.",
}
_BINARY = (
    "application/octet-stream",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
    "application/gzip",
    "application/zstd",
)
_ALWAYS = (400, 401, 403, 413, 421, 429, 502, 503, 504)
_EXAMPLES = {
    Form.CSV: "run_number,event_number,fuid_raw,dsid_raw,dataset_state,error\n"
    "12345,4917,0f5c2d3e-0000-5000-8000-000000000001,1073741824,open,\n",
    Form.NDJSON: '{"run_number":12345,"event_number":4917,'
    '"fuid_raw":"0f5c2d3e-0000-5000-8000-000000000001","dsid_raw":1073741824,'
    '"dataset_state":"open"}\n',
}


def problems_of(*statuses: int) -> Responses:
    """Return the problems that a call may answer with: those of every call, and these."""
    found: Responses = {}
    for status in sorted({*_ALWAYS, *statuses}):
        found[status] = {"description": _TEXTS[status], **_PROBLEM}
        if status in {429, 503}:
            found[status]["headers"] = _RETRY
    return found


def document(model: type, description: str) -> Responses:
    """Return a JSON document that has an ETag."""
    etag = {"ETag": {"description": "For If-None-Match.", "schema": {"type": "string"}}}
    return {
        200: {"model": model, "description": description, "headers": etag},
        304: {"description": "The caller has it already (If-None-Match)."},
    }


def streams(forms: Sequence[Form], description: str, **content: Any) -> Responses:
    """Return a stream in one of several forms; `content` gives the schemas of some by name."""
    return {
        200: {
            "description": description,
            "content": {MEDIA_TYPES[form]: _media(form, content.get(form.value)) for form in forms},
        }
    }


def columns_field() -> Any:
    """Return the parameter that says what the columns of a list are."""
    return Field(
        None,
        max_length=1000,
        examples=["run,-,event"],
        description="What the columns of the list are, as run,-,event; - is passed over. Without "
        "it a header says so, or the run comes first and the event second.",
    )


def list_body() -> dict[str, Any]:
    """Return the body of a request with a list of pairs."""
    text = {"schema": {"type": "string"}, "example": "12345 4917\n1,99\n"}
    return {
        "requestBody": {
            "required": True,
            "description": "Pairs: JSON, or text with one on each line: `run event`, `run,event`, "
            "`run:event` or `run/event`. Blank lines and # comments are skipped. A header (CSV "
            "with comma, semicolon or tab), the fields of JSON lines and the names of columns in "
            "Parquet and Arrow say which columns are meant; `columns` does without. Told by "
            "content: gzip, zstd, UTF-16.",
            "content": {
                "application/json": {
                    "schema": PairList.model_json_schema(),
                    "example": {"pairs": [[12345, 4917], [1, 99]]},
                },
                "text/plain": text,
                "text/csv": {**text, "example": "run_number,event_number\n12345,4917\n"},
                **{name: {"schema": {"type": "string", "format": "binary"}} for name in _BINARY},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
            },
        }
    }


def _media(form: Form, schema: Any) -> dict[str, Any]:
    if schema is not None:
        return {"schema": schema}
    kind = {"type": "string", "format": "binary"} if form in TABLE_FORMS else {"type": "string"}
    return {"schema": kind, **({"example": _EXAMPLES[form]} if form in _EXAMPLES else {})}
