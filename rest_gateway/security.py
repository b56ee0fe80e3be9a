"""What every answer carries, whom a call is made for, and calls that come from other sites.

No page of another site can read an answer (no CORS) or change anything here. Pure but for the
headers that it adds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import Depends, Header, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_store.admin import tokens
from eventindex.told import told
from rest_gateway import problems
from rest_gateway.clients import authorization
from rest_gateway.parts import Parts, PartsDep, is_followed
from rest_gateway.problems import Problem
from service_kit.auth import Refusal, bearer_token
from service_kit.hosts import NOT_OURS, OurHosts, neighbourhood
from service_kit.settings_gateway import HTTP_HEAVY_CALLS_MAX


def content_policy(
    asked: Sequence[str] = (), framed: Sequence[str] = (), ancestors: str = "'none'"
) -> str:
    """Return what a page may load, and from where.

    Args:
        asked: other origins that its scripts may ask.
        framed: origins that may be in a frame of it.
        ancestors: where it may be in a frame itself.
    """
    asked, framed = ("'self'", *asked), ("'self'", *framed)
    frames = f"frame-src {' '.join(framed)}; " if len(framed) > 1 else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"font-src 'self'; connect-src {' '.join(asked)}; {frames}form-action 'self'; "
        f"base-uri 'none'; frame-ancestors {ancestors}"
    )


_HEADERS = {
    "Content-Security-Policy": content_policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A page of any site may send these without asking first.
_FORM_TYPES = frozenset(
    {"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


_INDEX = "eventindex.v1.IndexService"


class SecurityMiddleware:
    """Adds the headers, and keeps the caller's `Authorization` for the calls to the services.

    Answers 421 where the request means another host than this one.
    """

    def __init__(self, app: ASGIApp, ours: OurHosts) -> None:
        self._app = app
        self._ours = ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        header = Request(scope).headers.get("authorization", "")
        # What gRPC would not send is no token.
        usable = header.isascii() and header.isprintable()
        token = authorization.set(header if usable else "unusable")
        try:
            if not self._means_us(scope):
                await _misdirected(scope, receive, send_with_headers)
                return
            await self._app(scope, receive, send_with_headers)
        finally:
            authorization.reset(token)

    def _means_us(self, scope: Scope) -> bool:
        hosts = Request(scope).headers.getlist("host")
        reached = scope["server"][0] if scope.get("server") else None
        return len(hosts) == 1 and self._ours.include(hosts[0], reached)


_misdirected = Problem(421, "misdirected", NOT_OURS).response()


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        subject: of the token; "" where nobody is asked for one.
        is_admin: whether what belongs to others may be seen.
    """

    subject: str = ""
    is_admin: bool = False

    def may_see(self, owner: str) -> bool:
        """Return whether something of an owner may be seen; what is nobody's may by all."""
        return owner in {"", self.subject} or self.is_admin


async def may_look_up(request: Request, parts: PartsDep) -> AsyncIterator[None]:
    """Let those pass who may ask the index, some at once of each subject.

    Raises:
        Problem: 401, 403, 429, or 503 where tokens cannot be checked.
    """
    request.state.caller = caller = await _check(request, parts, _INDEX)
    # An address has a bound of its own, which pages count for as well.
    places = parts.followers if is_followed(request.url.path) else parts.callers
    with places.place(caller.subject) if caller.subject else nullcontext(True) as place:
        if not place:
            raise problems.too_many("EVENTINDEX_CALLS_PER_SUBJECT_MAX")
        yield


async def may_administrate(request: Request, parts: PartsDep) -> None:
    """Let those pass who may administrate; raises the same."""
    await _check(request, parts, "eventindex.v1.AdminService")


async def _check(request: Request, parts: Parts, service: str) -> Caller:
    if parts.access is None:
        return Caller()
    headers = [("authorization", value) for value in request.headers.getlist("authorization")]
    found = await parts.access.check(bearer_token(headers), service)
    if isinstance(found, Refusal):
        raise problems.no_access(found.code, found.text)
    return Caller(found.subject, tokens.Scope.ADMIN in found.scopes)


def _caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


# `may_look_up`, which stands before all calls of the API, found out.
CallerDep = Annotated[Caller, Depends(_caller)]


StillMay = Callable[[], Awaitable[bool]]


def _still_may(request: Request, parts: PartsDep) -> StillMay:
    async def still_may() -> bool:
        try:
            await _check(request, parts, _INDEX)
        except Problem as problem:
            return problem.status not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        return True

    return still_may


# Asks again, in a stream without an end: a token expires, or is revoked.
StillMayDep = Annotated[StillMay, Depends(_still_may)]


async def _heavy(request: Request, parts: PartsDep, caller: CallerDep) -> AsyncIterator[None]:
    """Let one caller have some of the calls that read many pages.

    Raises:
        Problem: 429.
    """
    address = neighbourhood(request.client.host if request.client else "")
    with parts.heavy.place(caller.subject or address) as place:
        if not place:
            raise problems.too_many(f"{HTTP_HEAVY_CALLS_MAX} that count events")
        yield


heavy = Depends(_heavy)


def refuse_other_sites(request: Request) -> None:
    """Refuse what a browser sends for a page of another site.

    Raises:
        Problem: 403.
    """
    site = request.headers.get("sec-fetch-site", "none")
    if request.method not in _SAFE_METHODS and site not in {"none", "same-origin"}:
        raise Problem(
            403,
            "cross-site",
            told("OTHER_SITE", "Sec-Fetch-Site is {site}: a page of another site asks", site=site),
        )


def _changes(
    request: Request,
    eventindex_request: Annotated[
        str | None,
        Header(
            description="Any value; needed where the body is a form or plain text, or there is "
            "none: a page of another site cannot send it."
        ),
    ] = None,
) -> None:
    """Check that what changes something is nothing that a form of another site can send."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in _FORM_TYPES and eventindex_request is None:
        raise Problem(
            403,
            "cross-site",
            told(
                "REQUEST_HEADER_NEEDED",
                "with Content-Type {type} this call needs the header EventIndex-Request, "
                "of any value",
                type=given or "(none)",
            ),
        )


ChangesDep = Annotated[None, Depends(_changes)]
