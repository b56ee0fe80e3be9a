"""What one caller, and all requests that wait, may have at once."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import psycopg2
import pytest

from event_store.lookup import hash_table
from eventindex.v1 import lookup_pb2, lookup_pb2_grpc
from service_kit.errors import TooMuchError
from service_kit.in_order import InOrder
from service_kit.quotas import Quotas
from service_kit.settings import Settings
from tests.conftest import execute
from tests.support.processes import Service, wait_until

MIB = 1 << 20
# The constants of a release before.
PUBLISHED = (0x9E3779B97F4A7C15, 0x517CC1B727220A95, 0xD6E8FEB86659FD93)
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
    """Of three that send more than may wait one ends, told when to come back; the others go on."""
    url, service = limited
    # 6 MiB that no field has, behind a pair.
    fat = REQUEST.SerializeToString() + b"\x7a\x80\x80\x80\x03" + bytes(6 * MIB)
    with (
        psycopg2.connect(url) as lock,
        grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel,
    ):
        lock.cursor().execute("LOCK TABLE run, event_page IN ACCESS EXCLUSIVE MODE")
        begin = channel.stream_stream("/eventindex.v1.IndexService/LookupStream")
        queues = [queue.Queue() for _ in range(3)]
        streams = [begin(open_ended(one), timeout=120) for one in queues]
        for requests in queues:
            requests.put(fat)
        ended = wait_until(lambda: [one for one in streams if one.done()], 60, "a refusal")
        error = refused(lambda: next(ended[0]))
        assert "EVENTINDEX_REQUEST_BYTES_MAX" in error.details()
        lock.rollback()
        for requests, stream in zip(queues, streams, strict=True):
            requests.put(None)
            if stream is not ended[0]:
                assert lookup_pb2.LookupResponse.FromString(next(stream)).not_found == 1


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


def inverse(odd: int) -> np.uint64:
    return np.uint64(pow(odd, -1, 1 << 64))


def sharing_a_cell(count: int, run_mix: int, page_mix: int, last_mix: int) -> tuple[Any, Any]:
    """Runs and pages that share a cell of up to 2^20, for who knows the constants."""
    chance = np.random.default_rng(1)
    # The mixing run backwards, from numbers whose upper 20 bits are 0.
    mixed = chance.integers(0, 1 << 44, 3 * count, np.uint64) * inverse(last_mix)
    mixed ^= (mixed >> np.uint64(29)) ^ (mixed >> np.uint64(58))
    pages = chance.integers(0, 1 << 50, 3 * count, np.uint64)
    runs = (mixed ^ pages * np.uint64(page_mix)) * inverse(run_mix)
    allowed = np.flatnonzero(runs < 1 << 63)[:count]
    assert len(allowed) == count
    return runs[allowed].astype(np.int64), pages[allowed].astype(np.int64)


def test_pages_of_one_cell_cannot_be_chosen(monkeypatch):
    """100,000 pages that share a cell, did one know the constants, are looked up as any others."""
    runs, pages = sharing_a_cell(100_000, *PUBLISHED)
    with monkeypatch.context() as patched:
        for name, value in zip(("RUN", "PAGE", "BOTH"), PUBLISHED, strict=True):
            patched.setattr(hash_table, f"_MIX_{name}", np.uint64(value))
        table = hash_table.PageTable(len(runs))
        table._allocate(4 * len(runs))
        assert len(np.unique(table._slot(runs, pages))) == 1
    table = hash_table.PageTable(len(runs))
    began = time.process_time()
    table.add(np.arange(len(runs), dtype=np.int32), runs, pages)
    assert (table.find(runs, pages) == np.arange(len(runs))).all()
    assert time.process_time() - began < 2


def test_a_service_goes_on_with_pages_of_one_cell(limited):
    """100,000 of them in a message, each in a run of its own: answered, again too, and others."""
    _, service = limited
    runs, pages = sharing_a_cell(100_000, *PUBLISHED)
    asked = lookup_pb2.LookupRequest(
        run_numbers=runs.tolist(), event_numbers=(pages << 13).tolist()
    )
    with grpc.insecure_channel(service.address) as channel:
        stub = lookup_pb2_grpc.IndexServiceStub(channel)
        for _ in range(2):
            assert stub.Lookup(asked, timeout=60).not_found == len(runs)
            assert stub.Lookup(REQUEST, timeout=20).not_found == 1
