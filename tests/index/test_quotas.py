"""What one caller, and all requests that wait, may have at once."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from event_store.lookup.hash_table import PageTable
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from service_kit.errors import TooMuchError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas
from service_kit.settings import Settings
from tests.support.processes import Service

MIB = 1 << 20
REQUEST = lookup_pb2.LookupRequest(run_numbers=[1], event_numbers=[1])


def open_ended(requests: queue.Queue) -> Iterator[lookup_pb2.LookupRequest]:
    """Requests as they come, until None."""
    yield from iter(requests.get, None)


def test_one_caller_has_some_calls_at_once(database_url):
    """A call too many is RESOURCE_EXHAUSTED, says when to come back, and is let in later."""
    service = Service(
        "index_service", database_url=database_url, calls_per_subject_max=2, index_workers=1
    )
    service.start()
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        queues = [queue.Queue() for _ in range(2)]
        streams = [stub.LookupStream(open_ended(one)) for one in queues]
        for requests, stream in zip(queues, streams, strict=True):
            requests.put(REQUEST)
            assert next(stream).not_found == 1
        with pytest.raises(grpc.RpcError) as refused:
            stub.Lookup(REQUEST)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "EVENTINDEX_CALLS_PER_SUBJECT_MAX" in refused.value.details()
        assert "grpc-retry-pushback-ms" in dict(refused.value.trailing_metadata())
        queues[0].put(None)
        assert list(streams[0]) == []
        assert stub.Lookup(REQUEST).not_found == 1
        queues[1].put(None)
    assert "Lookup by ipv4:127.0.0.1" in service.log.read_text()
    service.close()


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
