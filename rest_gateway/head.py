"""HEAD wherever there is GET: the same status and headers, and no body."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Has a HEAD answered as a GET whose reader leaves after the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()
        body_read = False

        async def receive_until_answered() -> Message:
            nonlocal body_read
            if not body_read:
                message = await receive()
                body_read = not message.get("more_body", False)
                return message
            # A stream ends when its reader is gone.
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send_without_body(message: Message) -> None:
            if answered.is_set():
                return
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                answered.set()

        # From 2.4 on a server tells by an error of `send` that the reader is gone.
        asgi = {**scope["asgi"], "spec_version": "2.3"}
        as_get = {**scope, "method": "GET", "asgi": asgi}
        await self._app(as_get, receive_until_answered, send_without_body)
