"""What can go wrong with a request, as problem documents (RFC 9457). Pure.

An error of the client or the store becomes a status here and nowhere else. What a service or the
driver said of its own trouble is logged by the caller, never sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import grpc
from starlette.responses import JSONResponse, Response

from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError
from eventindex import errors as client_errors
from eventindex.printing import printable
from eventindex.told import reason_of, sentence_of, told

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
_TYPE_PREFIX = "urn:eventindex:problem:"

# Errors whose text may be shown: it is about the request. The first class that fits counts.
_OF_THE_REQUEST: Mapping[type[Exception], tuple[int, str]] = {
    client_errors.NameTakenError: (409, "name-taken"),
    client_errors.WrongStateError: (409, "wrong-state"),
    client_errors.InvalidRequestError: (400, "invalid-request"),
    client_errors.NotFoundError: (404, "not-found"),
}
_WHO_ARE_YOU = "a valid token is needed: Authorization: Bearer <token>"
_OF_SERVICES: Mapping[type[Exception], tuple[int, str, str]] = {
    client_errors.UnavailableError: (
        503,
        "unavailable",
        "the index is away; try again in a moment",
    ),
    client_errors.LimitError: (
        429,
        "too-many-requests",
        told(
            "BUSY", "the index has too much to do, for this caller or at all; try again in a moment"
        ),
    ),
    client_errors.DeadlineError: (504, "timeout", "the index did not answer in time"),
    UnusableDatabaseError: (500, "internal", "the database of the jobs cannot be used"),
    StoreError: (500, "internal", "the database of the jobs cannot be used"),
    StoreUnavailableError: (
        503,
        "unavailable",
        "the database of the jobs is away; try again in a moment",
    ),
}


class JsonLine(JSONResponse):
    """JSON that ends its line, so that a shell's prompt stands on the next one."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        return super().render(content) + b"\n"


class Problem(Exception):  # noqa: N818  # the name that RFC 9457 gives it
    """An answer that says what is wrong.

    Attributes:
        status: the HTTP status.
        kind: what the document's `type` ends with; programs tell problems by it.
        detail: one sentence for people that names what is wrong.
        errors: one object for each wrong line or field: field, value, detail, and line or pointer.
        extra: further members, such as the limit that was passed.
        headers: headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.extra = extra
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        document: dict[str, Any] = {
            "type": _TYPE_PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = [_with_reason(each, each.get("detail")) for each in self.errors]
        return _with_reason(document | self.extra, self.detail)

    def response(self) -> Response:
        """Return the answer."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return JsonLine(self.document(), self.status, headers, MEDIA_TYPE)


def _with_reason(members: Mapping[str, Any], detail: object) -> dict[str, Any]:
    """Return members of a document with the reason and the parameters of its sentence."""
    reason, parameters = reason_of(detail)
    return {**members, **({"reason": reason, "parameters": parameters} if reason else {})}


def invalid(detail: str, *, field: str | None = None, value: object = None) -> Problem:
    """Return a request that makes no sense, with the field and the value where one is to blame."""
    errors = [] if field is None else [{"field": field, "value": short(value), "detail": detail}]
    return Problem(400, "invalid-request", detail, errors=errors)


def too_large(what: str, limit: int, unit: str, setting: str) -> Problem:
    """Return the problem of more than a limit allows; it names the limit and its setting."""
    return Problem(
        413,
        "too-large",
        told(
            "TOO_LARGE",
            "{what} is above the limit of {limit} {unit}",
            what=what,
            limit=f"{limit:,}",
            unit=unit,
        ),
        limit=limit,
        unit=unit,
        setting=setting,
    )


def unavailable(detail: str, *, kind: str = "unavailable") -> Problem:
    """Return the problem of a service that is away: the same request may work in a moment."""
    return Problem(503, kind, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def too_many(setting: str) -> Problem:
    """Return the problem of a caller who asks for more at once than one may."""
    return Problem(
        429,
        "too-many-requests",
        told(
            "TOO_MANY_REQUESTS",
            "one caller may not have more requests at once ({setting})",
            setting=setting,
        ),
        headers={"Retry-After": str(RETRY_AFTER_S)},
        setting=setting,
    )


def short(value: object) -> str:
    """Return a wrong value as printable text of a bounded length."""
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= 100 else text[:100] + "…"
    return printable(text)


def from_error(error: Exception) -> Problem:
    """Return the problem that an error of the client or the store stands for."""
    if isinstance(error, client_errors.ForbiddenError):
        return no_access(grpc.StatusCode.PERMISSION_DENIED, "the token may not do this")
    if isinstance(error, client_errors.AccessError):
        return no_access(grpc.StatusCode.UNAUTHENTICATED, _WHO_ARE_YOU)
    for refusal, (status, name) in _OF_THE_REQUEST.items():
        if isinstance(error, refusal):
            return Problem(status, name, sentence_of(error))
    for kind, (status, name, detail) in _OF_SERVICES.items():
        if isinstance(error, kind):
            headers = {"Retry-After": str(RETRY_AFTER_S)} if status in {429, 503} else None
            return Problem(status, name, detail, headers=headers)
    return Problem(502, "bad-gateway", told("INDEX_FAILED", "the index failed to answer"))


def no_access(code: grpc.StatusCode | None, detail: str) -> Problem:
    """Return the problem of a caller who may not do this, or who cannot be checked."""
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return Problem(403, "forbidden", detail)
    if code is grpc.StatusCode.UNAVAILABLE:
        return unavailable(detail)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return unavailable(detail, kind="busy")
    if code is grpc.StatusCode.INTERNAL:
        return Problem(500, "internal", detail)
    headers = {"WWW-Authenticate": 'Bearer realm="eventindex"'}
    return Problem(401, "unauthorized", detail, headers=headers)
