"""What stands before everything: what metrics and the log see of requests.

Each request has an id, its caller's or one of its own: all lines about it bear it, and the answer.
"""

from __future__ import annotations

import logging
import math
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_gateway.metrics import Metrics
from rest_gateway.parts import API_PREFIX, is_followed
from service_kit import calls, tracing

log = logging.getLogger(__name__)

_NONE = "none"
_REQUEST_ID = calls.REQUEST_ID.encode()


class ObserveMiddleware:
    """Counts requests, and tells the observer how each ended."""

    def __init__(self, app: ASGIApp, observer: Metrics, slow_call_s: float = math.inf) -> None:
        """`slow_call_s`: a request that takes as long is worth a line of the log."""
        self._slow_call_s = slow_call_s
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status, answered = 500, 0.0
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        request_id = calls.begin(headers).encode()
        span = tracing.CallSpan(scope["method"])

        async def send_and_note(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = time.monotonic()
                with_id = [*message.get("headers", ()), (_REQUEST_ID, request_id)]
                message = {**message, "headers": with_id}
            await send(message)

        follows = is_followed(scope["path"])
        self._observer.running(1, follows=follows)
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._observer.running(-1, follows=follows)
            seconds = time.monotonic() - started
            method, route = _labels(scope, status)
            # Of an event stream: until it began. How long somebody looked tells nothing.
            took = answered - started if follows and answered else seconds
            self._observer.request(method, route, status, took)
            span.end(
                f"{method} {route}",
                failed=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
                status=status,
            )
            slow = took >= self._slow_call_s
            # Pages and their files are worth a line where they are slow.
            if slow or scope["path"].startswith(API_PREFIX):
                values = {
                    "method": scope["method"],
                    "route": route,
                    "subject": _subject(scope),
                    "seconds": round(seconds, 6),
                    "status": status,
                }
                text = "%s %s by %s took %.3f s: %d%s"
                log.info(text, *values.values(), " (slow)" if slow else "", extra=values)


def _subject(scope: Scope) -> str:
    """Return whose token the request had, or the address that it came from."""
    caller = scope.get("state", {}).get("caller")
    address = scope["client"][0] if scope.get("client") else ""
    return getattr(caller, "subject", "") or address


def _labels(scope: Scope, status: int) -> tuple[str, str]:
    """Return method and path of the route: never what a client made up."""
    path = getattr(scope.get("route"), "path", None)
    if path is None or status == HTTPStatus.METHOD_NOT_ALLOWED:
        return _NONE, _NONE
    prefix = API_PREFIX if scope["path"].startswith(API_PREFIX) else ""
    return scope["method"], prefix + path
