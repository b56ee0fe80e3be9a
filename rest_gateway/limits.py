"""What stands before everything: a bound on requests at once, what metrics and the log see of them.

Each request has an id, its caller's or one of its own: all lines about it bear it, and the answer.
"""

from __future__ import annotations

import json
import logging
import math
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_gateway import problems
from rest_gateway.metrics import Metrics
from rest_gateway.parts import API_PREFIX
from service_kit import calls

log = logging.getLogger(__name__)

_NONE = "none"
_REQUEST_ID = calls.REQUEST_ID.encode()


class LimitMiddleware:
    """Counts requests, refuses one too many, and tells the observer how each ended."""

    def __init__(
        self, app: ASGIApp, observer: Metrics, requests_max: int, slow_call_s: float = math.inf
    ) -> None:
        """`slow_call_s`: a request that takes as long is worth a line of the log."""
        self._slow_call_s = slow_call_s
        self._app = app
        self._observer = observer
        self._requests_max = requests_max
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = 500
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        request_id = calls.begin(headers).encode()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = [*message.get("headers", ()), (_REQUEST_ID, request_id)]
                message = {**message, "headers": answered}
            await send(message)

        self._running += 1
        self._observer.running(1)
        try:
            if self._running > self._requests_max:
                await _refuse(send_and_note)
            else:
                await self._app(scope, receive, send_and_note)
        finally:
            self._running -= 1
            self._observer.running(-1)
            seconds = time.monotonic() - started
            method, route = _labels(scope, status)
            self._observer.request(method, route, status, seconds)
            if seconds >= self._slow_call_s:
                values = {"route": route, "seconds": round(seconds, 6), "status": status}
                log.info(
                    "%s %s took %.3f s: %d",
                    *(scope["method"], *values.values()),
                    extra={"method": scope["method"], **values},
                )


def _labels(scope: Scope, status: int) -> tuple[str, str]:
    """Return method and path of the route: never what a client made up."""
    path = getattr(scope.get("route"), "path", None)
    if path is None or status == HTTPStatus.METHOD_NOT_ALLOWED:
        return _NONE, _NONE
    prefix = API_PREFIX if scope["path"].startswith(API_PREFIX) else ""
    return scope["method"], prefix + path


async def _refuse(send: Send) -> None:
    problem = problems.unavailable(
        "the gateway has too much to do (EVENTINDEX_HTTP_REQUESTS_AT_ONCE_MAX)", kind="busy"
    )
    body = json.dumps(problem.document()).encode()
    headers = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body))}
    raw = [(k.lower().encode(), v.encode()) for k, v in (headers | problem.headers).items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
