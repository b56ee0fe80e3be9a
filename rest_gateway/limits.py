"""What stands before everything: a bound on requests at once, and what the metrics see."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_gateway import problems
from rest_gateway.metrics import Metrics
from rest_gateway.parts import API_PREFIX

_NONE = "none"


class LimitMiddleware:
    """Counts requests, refuses one too many, and tells the observer how each ended."""

    def __init__(self, app: ASGIApp, observer: Metrics, requests_max: int) -> None:
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

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
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
            self._observer.request(*_labels(scope, status), status, seconds)


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
