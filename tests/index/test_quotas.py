"""What one caller, and all requests that wait, may have at once."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import psycopg2
import pytest

from event_store.lookup.hash_table import PageTable
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from service_kit.errors import TooMuchError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas
from service_kit.settings import Settings
from tests.conftest import execute
from tests.support.processes import Service, wait_until

MIB = 1 << 20
REQUEST = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])


def open_ended(requests: queue.Queue) -> Iterator[lookup_pb2.LookupRequest]:
    """Requests as they come, until None."""
    yield from iter(requests.get, None)


@pytest.fixture(scope="module")
def limited(postgres, _template) -> Iterator[tuple[str, Service]]:
    """A service with low bounds, and its database."""
    execute(postgres.url(), f"CREATE DATABASE quotas TEMPLATE {_template}")
    service = Service(
        "index_service",
        database_url=postgres.url("quotas"),
        calls_per_subject_max=3,
        request_bytes_max=16 * MIB,
        index_workers=1,
    )
    service.start()
    yield postgres.url("quotas"), service
    service.close()
    execute(postgres.url(), "DROP DATABASE quotas WITH (FORCE)")


def refused(call: Callable[[], Any]) -> grpc.RpcError:
    """How a call ends that is one too many: it says when to come back."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(error.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
    return error.value


def test_one_caller_has_some_calls_at_once(limited):
    """A call too many is RESOURCE_EXHAUSTED, says when to come back, and is let in later."""
    _, service = limited
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        queues = [queue.Queue() for _ in range(3)]
        streams = [stub.LookupStream(open_ended(one)) for one in queues]
        for requests, stream in zip(queues, streams, strict=True):
            requests.put(REQUEST)
            assert next(stream).not_found == 1
        error = refused(lambda: stub.Lookup(REQUEST))
        assert "EVENTINDEX_CALLS_PER_SUBJECT_MAX" in error.details()
        queues[0].put(None)
        assert list(streams[0]) == []
        assert stub.Lookup(REQUEST).not_found == 1
        for requests, stream in zip(queues[1:], streams[1:], strict=True):
            requests.put(None)
            assert list(stream) == []
    assert "Lookup by ipv4:127.0.0.1" in service.log.read_text()


def test_streams_that_wait_for_the_database_have_a_bound_together(limited):
    """What two streams sent and nobody answered yet is no room for a third; both are answered."""
    url, service = limited
    # 6 MiB that no field has, behind a pair.
    unknown = b"\x7a" + bytes([0x80 | 0, 0x80 | 0, 0x80 | 0, 3]) + bytes(6 * MIB)
    fat = REQUEST.SerializeToString() + unknown
    with (
        psycopg2.connect(url) as lock,
        grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel,
    ):
        lock.cursor().execute("LOCK TABLE run, event_page IN ACCESS EXCLUSIVE MODE")
        begin = channel.stream_stream("/eventindex.v1.IndexService/LookupStream")
        queues = [queue.Queue() for _ in range(2)]
        streams = [begin(open_ended(one), timeout=60) for one in queues]
        for requests in queues:
            requests.put(fat)
        one = channel.unary_unary("/eventindex.v1.IndexService/Lookup")

        def is_full() -> bool:
            waiting = one.future(fat, timeout=60)
            try:
                error = waiting.exception(timeout=1)
            except grpc.FutureTimeoutError:
                waiting.cancel()
                return False
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "EVENTINDEX_REQUEST_BYTES_MAX" in error.details()
            return "grpc-retry-pushback-ms" in dict(error.trailing_metadata())

        assert wait_until(is_full)
        lock.rollback()
        for requests, stream in zip(queues, streams, strict=True):
            assert lookup_pb2.LookupResponse.FromString(next(stream)).not_found == 1
            requests.put(None)
        assert lookup_pb2.LookupResponse.FromString(one(fat, timeout=60)).not_found == 1


async def test_requests_that_wait_have_a_bound_together():
    """Bytes of all streams count until they are answered; one above the bound ends its stream."""
    quotas = Quotas(Settings(_env_file=None, request_bytes_max=16 * MIB))
    begun: asyncio.Queue[asyncio.Future[bytes]] = asyncio.Queue()

    async def begin(request: bytes) -> asyncio.Future[bytes]:
        answer = asyncio.get_running_loop().create_future()
        await begun.put(answer)
        return answer

    async def requests(count: int):
        for _ in range(count):
            yield bytes(6 * MIB)

    async def answers(count: int) -> list[bytes]:
        return [answer async for answer in InOrder(requests(count), begin, 4, quotas).answers()]

    first = asyncio.create_task(answers(2))
    waiting = [await begun.get() for _ in range(2)]
    with pytest.raises(TooMuchError, match="EVENTINDEX_REQUEST_BYTES_MAX"):
        await answers(1)
    for answer in waiting:
        answer.set_result(b"")
    assert await first == [b"", b""]
    second = asyncio.create_task(answers(1))
    await begun.get()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    with quotas.request(16 * MIB):
        pass


def test_pages_of_one_cell_cannot_be_chosen():
    """Page numbers that would all share a cell, did one know the constants, do not share one."""
    run_mix, page_mix = 0x9E3779B97F4A7C15, 0x517CC1B727220A95

    def inverse(odd: int) -> np.uint64:
        return np.uint64(pow(odd, -1, 1 << 64))

    # The mixing run backwards, from numbers with the same upper 24 bits.
    mixed = np.random.default_rng(1).integers(0, 1 << 40, 4_000_000, np.uint64)
    mixed *= inverse(run_mix)
    mixed ^= (mixed >> np.uint64(29)) ^ (mixed >> np.uint64(58))
    pages = (mixed ^ np.uint64(run_mix)) * inverse(page_mix)
    pages = np.unique(pages[pages < 1 << 50]).astype(np.int64)
    assert len(pages) > 100
    table = PageTable(1)
    assert len(np.unique(table._slot(1, pages))) > len(pages) // 2
