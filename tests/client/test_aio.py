"""`eventindex.aio`: what an asynchronous job gets is what `Client` gives, harm included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import numpy as np
import pytest

import eventindex
import eventindex.aio
from eventindex.errors import DeadlineError, InvalidRequestError, UnavailableError
from tests.support.client import Server, fuid

PAIRS = [(run, event) for run in range(3) for event in range(50)]


@pytest.fixture
def server() -> Iterator[Server]:
    """An index of 150 events, of which every other one is known."""
    known = {pair: (fuid(pair[1] % 7), pair[0], pair[1]) for pair in PAIRS if pair[1] % 2}
    server = Server(known)
    yield server
    server.stop()


def batches(count: int = 20) -> list[list[tuple[int, int]]]:
    return [[PAIRS[(n + k) % len(PAIRS)] for k in range(10)] for n in range(count)]


def values(result: eventindex.LookupResult) -> tuple:
    olt = result.olt_results
    return result.fuids().tolist(), result.dsids().tolist(), None if olt is None else olt.tolist()


async def test_answers_are_those_of_the_client(server: Server):
    """One lookup, a stream of plain and of asynchronous batches: the same results in order."""

    async def slowly() -> AsyncIterator[list[tuple[int, int]]]:
        for batch in batches():
            await asyncio.sleep(0)
            yield batch

    with eventindex.connect(server.address) as plain:
        wanted = [values(r) for r in plain.lookup_stream(batches(), with_olt_result=True)]
        one = values(plain.lookup(PAIRS))
    async with eventindex.aio.connect(server.address) as index:
        assert values(await index.lookup(PAIRS)) == one
        for source in (batches(), slowly()):
            stream = index.lookup_stream(source, with_olt_result=True)
            assert [values(result) async for result in stream] == wanted
        assert [r async for r in index.lookup_stream([])] == []
        many = await index.lookup((np.zeros(250_000, np.int64), np.arange(250_000)))
        assert (len(many), many.found) == (250_000, 25)
        both = await asyncio.gather(*(index.lookup(PAIRS[:9]) for _ in range(20)))
        assert {result.found for result in both} == {4}


async def test_a_stream_outlives_broken_calls(server: Server):
    """Batches without an answer are sent again, whether a call breaks or ends too early."""

    def harm(call: int, answered: int, context: grpc.ServicerContext) -> bool:
        if call == 1 and answered == 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return call == 2 and answered == 4

    server.index.before_answer = harm
    async with eventindex.aio.connect(server.address) as index:
        found = [r.run_numbers.tolist() async for r in index.lookup_stream(batches())]
    assert found == [[run for run, _ in batch] for batch in batches()]
    assert server.index.calls == 3


async def test_a_lookup_waits_for_a_server_that_is_away(server: Server):
    """A lookup is tried again until the server is back."""

    def harm(lookups: int, context: grpc.ServicerContext) -> None:
        if lookups < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    server.index.before_lookup = harm
    async with eventindex.aio.connect(server.address) as index:
        assert (await index.lookup(PAIRS)).found == 75
    assert server.index.lookups == 3


async def test_errors_are_those_of_the_client(server: Server):
    """Refusals, silence, an absent server and values that are no pairs raise what they raise."""
    async with eventindex.aio.connect(server.address) as index:
        stream = index.lookup_stream([PAIRS[:2], [(1, -1)]])
        assert (await anext(stream)).found == 1
        with pytest.raises(ValueError, match="event_number 0 is -1"):
            await anext(stream)
        with pytest.raises(ValueError, match="event_number 0 is -1"):
            await index.lookup([(1, -1)])
        server.index.before_answer = lambda call, n, context: context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "pair 0 is odd"
        )
        with pytest.raises(InvalidRequestError, match="pair 0 is odd"):
            await anext(index.lookup_stream(batches()))
    async with eventindex.aio.connect("127.0.0.1:9", retry_seconds_max=0.2) as nobody:
        with pytest.raises(UnavailableError):
            await nobody.lookup(PAIRS)
        with pytest.raises(UnavailableError):
            await anext(nobody.lookup_stream(batches()))


async def test_silence_ends_at_the_time_limit(server: Server):
    """A server that does not answer a batch in time is given up; a slow source is not."""
    silent = asyncio.Event()
    server.index.before_answer = lambda call, n, context: (
        server.index.cancelled.wait(30) if n else None
    )

    async def slow() -> AsyncIterator[list[tuple[int, int]]]:
        yield PAIRS[:1]
        await silent.wait()
        yield PAIRS[:1]

    async with eventindex.aio.connect(server.address, timeout=0.3) as index:
        stream = index.lookup_stream(slow())
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        done, _ = await asyncio.wait([waiting], timeout=0.6)
        assert not done
        silent.set()
        with pytest.raises(DeadlineError, match=r"no answer within 0\.3 s"):
            await waiting


async def test_a_stream_that_is_left_early_ends_its_call(server: Server):
    """Closing the generator cancels the call on the server; input is read a few batches ahead."""
    taken = 0

    def endless() -> Iterator[list[tuple[int, int]]]:
        nonlocal taken
        while True:
            taken += 1
            yield PAIRS[:1]

    async with eventindex.aio.connect(server.address) as index:
        stream = index.lookup_stream(endless(), batches_in_flight_max=3)
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(server.index.cancelled.wait, 10)
    assert taken < 10
