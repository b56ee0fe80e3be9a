"""Which form an answer has, by `Accept` or `format`, and which a request body is in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from eventindex.told import told
from rest_gateway.problems import Problem


class Form(StrEnum):
    """The forms of an answer; the names are the values of `format`."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


MEDIA_TYPES: Mapping[Form, str] = {
    Form.JSON: "application/json",
    Form.NDJSON: "application/x-ndjson",
    Form.CSV: "text/csv",
    Form.PARQUET: "application/vnd.apache.parquet",
    Form.ARROW: "application/vnd.apache.arrow.stream",
}


# Those that are columns, not text.
TABLE_FORMS = frozenset({Form.PARQUET, Form.ARROW})


class BodyKind(StrEnum):
    """What a request body is."""

    JSON = "json"
    LIST = "list"
    MULTIPART = "multipart"


BODY_TYPES: Mapping[str, BodyKind] = {
    "application/json": BodyKind.JSON,
    # The first bytes of a list tell its form, not the content type.
    "text/plain": BodyKind.LIST,
    "text/csv": BodyKind.LIST,
    "application/x-ndjson": BodyKind.LIST,
    "application/vnd.apache.parquet": BodyKind.LIST,
    "application/vnd.apache.arrow.file": BodyKind.LIST,
    "application/vnd.apache.arrow.stream": BodyKind.LIST,
    "application/gzip": BodyKind.LIST,
    "application/zstd": BodyKind.LIST,
    "application/octet-stream": BodyKind.LIST,
    "multipart/form-data": BodyKind.MULTIPART,
}


def answer_form(accept: str | None, asked: str | None, offered: Sequence[Form]) -> Form:
    """Return the form of an answer: `format` where it is given, else what `Accept` likes best.

    Args:
        accept: the header; without one anything will do.
        asked: the query parameter, one of those offered.
        offered: the forms that there are, the usual one first.

    Raises:
        Problem: 406, nothing of what is offered is acceptable.
    """
    if asked is not None:
        return Form(asked)
    liked = {form: _quality(accept or "*/*", MEDIA_TYPES[form]) for form in offered}
    best = max(offered, key=lambda form: liked[form])
    if not liked[best]:
        types = [MEDIA_TYPES[form] for form in offered]
        detail = told(
            "NOT_AN_ANSWER_TYPE",
            "Accept: {accept}: there are {choices}",
            accept=accept,
            choices=", ".join(types),
        )
        raise Problem(406, "not-acceptable", detail, supported=types)
    return best


def body_kind(content_type: str | None) -> BodyKind:
    """Return what the body of a request is.

    Raises:
        Problem: 415, a list of pairs does not come in this type.
    """
    given = (content_type or "").partition(";")[0].strip().lower()
    if given in BODY_TYPES:
        return BODY_TYPES[given]
    raise Problem(
        415,
        "unsupported-media-type",
        told(
            "NOT_A_LIST_TYPE",
            "Content-Type is {type}: a list of pairs is one of {choices}",
            type=given or "missing",
            choices=", ".join(BODY_TYPES),
        ),
        headers={"Accept-Post": ", ".join(BODY_TYPES)},
        supported=list(BODY_TYPES),
    )


def _quality(accept: str, media_type: str) -> float:
    """Return how much a header likes a type: that of its most specific range, 0 where none fits."""
    kind = media_type.partition("/")[0]
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        ranges[name] = next((_number(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
    for name in (media_type, f"{kind}/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
