"""The edge to the network: heads, readers and bodies that take too long or come too late."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from rest_gateway import http_server, limits
from service_kit.settings import Settings
from tests.support.ports import free_port


@contextlib.asynccontextmanager
async def served(app):
    """An application behind the gateway's own edge, in this process; its port."""
    settings = Settings(_env_file=None, http_address=f"127.0.0.1:{free_port()}")
    server = http_server.Server(http_server.configure(settings, app))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.config.port
    server.should_exit = server.force_exit = True
    await task


async def body_of(scope, receive, send):
    """Answers with the size of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch):
    """Who connects and is silent, or sends a head byte by byte, is let go with 408 in time."""
    monkeypatch.setattr(http_server, "HTTP_HEAD_S_MAX", 0.3)
    async with served(body_of) as port:
        for first in (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /again HTTP"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.rpartition(b"HTTP/1.1 ")[2].startswith(b"408"), first
            assert answer.count(b"HTTP/1.1 200") == first.count(b"\r\n\r\n")
            writer.close()


async def test_an_answer_that_nobody_reads_is_cut(monkeypatch):
    """A reader who takes nothing is cut in time, one who is slow is not."""
    monkeypatch.setattr(http_server, "HTTP_UNREAD_S_MAX", 0.5)
    ended = asyncio.Event()
    pieces = 400

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(pieces):
            await send({"type": "http.response.body", "body": bytes(64 * 1024), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    async with served(endless) as port:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        silent, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(request)
        await asyncio.wait_for(ended.wait(), 10)
        with contextlib.suppress(ConnectionResetError):
            assert len(await silent.read()) < pieces * 64 * 1024
        writer.close()
        slow, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(request)
        began, size = time.monotonic(), 0
        while piece := await slow.read(256 * 1024):
            size += len(piece)
            await asyncio.sleep(0.01 if time.monotonic() - began < 2 else 0)
        assert size > pieces * 64 * 1024
        writer.close()


async def test_a_body_that_trickles_is_not_waited_for_for_ever(monkeypatch):
    """A body that comes byte by byte is 408 after its time, one that comes at a rate is read."""
    monkeypatch.setattr(limits, "HTTP_BODY_SILENCE_S_MAX", 0.4)
    monkeypatch.setattr(limits, "HTTP_BODY_BYTES_PER_S_MIN", 100)
    left = iter([b"1"] * 100)

    async def trickle():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": next(left), "more_body": True}

    receive = limits.in_time(trickle)
    with pytest.raises(limits.HTTPException) as refused:
        for _ in range(100):
            await receive()
    assert refused.value.status_code == 408
    left = iter([b"1" * 20] * 30)
    receive = limits.in_time(trickle)
    for _ in range(30):
        await receive()


async def test_what_comes_behind_a_refusal_is_thrown_away(monkeypatch):
    """A client that goes on sending after its answer is let go, and sees the answer first."""
    monkeypatch.setattr(http_server, "_LINGER_S", 0.3)

    async def refuses(scope, receive, send):
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with served(refuses) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):
            while True:
                writer.write(bytes(1000))
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
