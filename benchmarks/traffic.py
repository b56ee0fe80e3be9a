"""Many callers at once from one process: each sends its next message when the answer is there.

Messages are made before, and answers compared with the truth after the clock has stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc.aio
import numpy as np

from benchmarks.echo_client import OPTIONS, to_request
from benchmarks.results import WrongAnswerError
from benchmarks.workload import FUID, Batch
from eventindex.v1 import lookup_pb2

_SERVICE = "/eventindex.v1.IndexService"
# A channel is one connection, and sticks to one worker of the service.
_CHANNELS_MAX = 8


@dataclass(frozen=True)
class Traffic:
    """What came back: rate of the messages, and their latencies in seconds."""

    messages_per_second: float
    latencies: Sequence[float]

    def percentile(self, percent: float) -> float:
        """Return latency in milliseconds that so many percent of the messages stay below."""
        return float(np.percentile(self.latencies, percent)) * 1000


def unary(address: str, batches: Sequence[Batch], callers: int, seconds: float) -> Traffic:
    """Call Lookup with single batches from so many callers at once."""
    return asyncio.run(_run(address, batches, callers, seconds, _call_unary))


def streams(address: str, batches: Sequence[Batch], count: int, seconds: float) -> Traffic:
    """Hold so many LookupStreams open at once, one message in flight on each."""
    return asyncio.run(_run(address, batches, count, seconds, _call_stream))


@dataclass
class _State:
    """What all callers share. Distinct answers are kept; the same one comes many times."""

    requests: Sequence[bytes]
    until: float = 0.0
    next: int = 0

    def __post_init__(self) -> None:
        self.latencies: list[float] = []
        self.answers: set[tuple[int, bytes]] = set()

    def take(self) -> int:
        """Return the number of the next request."""
        self.next += 1
        return self.next % len(self.requests)

    def note(self, number: int, began: float, answer: bytes) -> None:
        """Take the answer to a request."""
        self.latencies.append(time.perf_counter() - began)
        self.answers.add((number, answer))


_Caller = Callable[[grpc.aio.Channel, _State], Awaitable[None]]


async def _run(
    address: str, batches: Sequence[Batch], callers: int, seconds: float, caller: _Caller
) -> Traffic:
    requests = [to_request(n, batch).SerializeToString() for n, batch in enumerate(batches)]
    state = _State(requests)
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(
                    address, [*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
                )
            )
            for _ in range(min(callers, _CHANNELS_MAX))
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        began = time.perf_counter()
        state.until = began + seconds
        await asyncio.gather(*(caller(channels[n % len(channels)], state) for n in range(callers)))
        spent = time.perf_counter() - began
    _check(state.answers, batches)
    return Traffic(len(state.latencies) / spent, state.latencies)


async def _call_unary(channel: grpc.aio.Channel, state: _State) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"{_SERVICE}/Lookup")
    while time.perf_counter() < state.until:
        number, began = state.take(), time.perf_counter()
        state.note(number, began, await call(state.requests[number]))


async def _call_stream(channel: grpc.aio.Channel, state: _State) -> None:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        f"{_SERVICE}/LookupStream"
    )
    call = method()
    while time.perf_counter() < state.until:
        number, began = state.take(), time.perf_counter()
        await call.write(state.requests[number])
        answer = await call.read()
        if not isinstance(answer, bytes):
            raise WrongAnswerError("a stream ended before its last answer")
        state.note(number, began, answer)
    await call.done_writing()
    while await call.read() is not grpc.aio.EOF:
        pass


def _check(answers: set[tuple[int, bytes]], batches: Sequence[Batch]) -> None:
    for number, answer in answers:
        message = lookup_pb2.LookupResponse.FromString(answer)
        ids = [bytes.fromhex(file.fuid_raw.replace("-", "")) for file in message.files]
        fuids = np.frombuffer(bytes(16) + b"".join(ids), FUID)
        found = fuids[np.array(message.file_indexes, np.uint32)]
        if message.batch_id != number or found.tobytes() != batches[number].fuids.tobytes():
            raise WrongAnswerError(f"many callers at once: wrong answer to request {number}")
