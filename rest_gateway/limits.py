"""Bounds on requests at once, on bodies, and on how long these may take."""

from __future__ import annotations

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventindex.told import told
from rest_gateway import problems
from rest_gateway.parts import API_PREFIX, is_followed
from rest_gateway.problems import Problem
from service_kit.hosts import neighbourhood
from service_kit.places import Places
from service_kit.settings_gateway import (
    HTTP_BODY_BYTES_MAX,
    HTTP_BODY_BYTES_PER_S_MIN,
    HTTP_BODY_SILENCE_S_MAX,
)


class LimitMiddleware:
    """Refuses one request too many, of all and of one address, and a body that does not come.

    Pages and their files do not take the places of the API: what they cost is small, and who has
    them all open can still be told what is wrong. Nor do event streams, which stay open for as long
    as somebody looks: they have places of their own.
    """

    def __init__(
        self, app: ASGIApp, requests_max: int, followers_max: int, per_address_max: int
    ) -> None:
        self._app = app
        # By whether it is an event stream.
        self._places_max = {False: requests_max, True: followers_max}
        self._taken = {False: 0, True: 0}
        self._addresses = {kind: Places(per_address_max) for kind in self._taken}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        of_api = int(scope["path"].startswith(f"{API_PREFIX}/"))
        follows = is_followed(scope["path"])
        address = neighbourhood(scope["client"][0] if scope.get("client") else "")
        self._taken[follows] += of_api
        try:
            with self._addresses[follows].place(address) as place:
                if not place:
                    await _TOO_MANY(scope, receive, send)
                elif of_api and self._taken[follows] > self._places_max[follows]:
                    await _BUSY[follows](scope, receive, send)
                else:
                    await self._app(scope, in_time(receive), _as_problem(scope, send))
        finally:
            self._taken[follows] -= of_api


_BUSY = {
    follows: problems.unavailable(
        f"the gateway has too much to do (EVENTINDEX_HTTP_{name}_MAX)", kind="busy"
    ).response()
    for follows, name in ((False, "REQUESTS_AT_ONCE"), (True, "FOLLOWERS"))
}
TOO_LARGE = Problem(
    413,
    "too-large",
    told(
        "BODY_TOO_LARGE",
        "the body is above {limit} bytes, and it is not a list of pairs",
        limit=f"{HTTP_BODY_BYTES_MAX:,}",
    ),
    limit=HTTP_BODY_BYTES_MAX,
    unit="bytes",
).response()
_TOO_MANY = problems.too_many("EVENTINDEX_HTTP_REQUESTS_PER_ADDRESS_MAX").response()


def in_time(receive: Receive) -> Receive:
    """Return what takes a body that keeps coming, and gives up one that does not.

    Only the time in which somebody waits for it counts.

    Raises, when it is called:
        HTTPException: 408; FastAPI lets it through while it reads a body.
    """
    waited, received, more = 0.0, 0, True

    async def receive_in_time() -> Message:
        nonlocal waited, received, more
        if not more:
            return await receive()
        allowed = HTTP_BODY_SILENCE_S_MAX + received / HTTP_BODY_BYTES_PER_S_MIN - waited
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(allowed, 0)):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "the body does not come") from error
        waited += time.monotonic() - began
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
        return message

    return receive_in_time


def _as_problem(scope: Scope, send: Send) -> Send:
    """Return what sends FastAPI's own refusal of a long body as a problem document."""
    replaced = False

    async def send_problem(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] == 413:
            kind = dict(message["headers"]).get(b"content-type", b"")
            replaced = kind.startswith(b"text/plain")
            if replaced:
                await TOO_LARGE(scope, _nothing, send)
        if not replaced:
            await send(message)

    return send_problem


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
