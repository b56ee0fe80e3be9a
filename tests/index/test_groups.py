"""Requests that wait are answered together, and never by a query that began before they came."""

from __future__ import annotations

import asyncio
import threading

import pytest

from event_store.database.connection import Connection, StoreOptions
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreUnavailableError
from event_store.lookup.reader import Reader
from eventindex.v1 import lookup_pb2
from index_service.file_names import Names
from index_service.lookup_groups import LookupGroups
from index_service.lookup_reply import encode_file
from index_service.lookups import Lookups
from service_kit.settings import Settings


@pytest.fixture
def threads(database_url):
    made = DatabaseThreads(database_url, StoreOptions(), 4, name="test")
    yield made
    made.close()


class Work:
    """Answers in upper case; a group that begins with `b"slow"` waits to be let go."""

    def __init__(self):
        self.groups = []
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, _connection, requests):
        self.groups.append(list(requests))
        if requests[0] == b"slow":
            self.began.set()
            assert self.go.wait(20)
        return [ValueError(r) if r == b"bad" else r.upper() for r in requests]


async def test_what_waits_is_one_group_and_keeps_its_order(threads):
    """Requests of one moment share a group; each caller gets its own answer or error."""
    work = Work()
    groups = LookupGroups(threads, work)
    answers = [groups.submit(request) for request in (b"a", b"bad", b"c")]
    assert await answers[0] == b"A"
    with pytest.raises(ValueError, match="bad"):
        await answers[1]
    assert await answers[2] == b"C"
    assert work.groups == [[b"a", b"bad", b"c"]]


async def test_a_group_under_way_is_not_joined_and_holds_nobody_up_for_long(threads):
    """A request that comes later is in a group of its own, answered beside a slow one."""
    work = Work()
    groups = LookupGroups(threads, work)
    slow = groups.submit(b"slow")
    await asyncio.to_thread(work.began.wait, 20)
    assert await asyncio.wait_for(groups.submit(b"later"), 20) == b"LATER"
    assert work.groups == [[b"slow"], [b"later"]]
    assert not slow.done()
    work.go.set()
    assert await slow == b"SLOW"


async def test_nobody_waits_for_ever(threads):
    """Thousands of requests, each sent when the one before is answered, are all answered."""
    groups = LookupGroups(threads, Work())

    async def caller() -> None:
        for _ in range(300):
            assert await asyncio.wait_for(groups.submit(b"x"), 20) == b"X"

    await asyncio.gather(*(caller() for _ in range(8)))


class WithANodeAway(Reader):
    """Cannot read run 13, which lies on a node that is away."""

    def lookup_all(self, connection, asked):
        if any(13 in one.runs for one in asked):
            raise StoreUnavailableError("08006: connection to the remote node failed")
        return super().lookup_all(connection, asked)


class Ignored:
    """What watches lookups."""

    def looked_up(self, found, not_found):
        """Nobody asks."""


@pytest.mark.parametrize("distributed", [True, False])
def test_of_a_group_only_those_fail_that_need_a_node_that_is_away(
    distributed, threads, database_url
):
    """On a cluster the others of the group are answered; on one server nobody is."""
    reader = WithANodeAway(1 << 20, encode_file)
    lookups = Lookups(reader, threads, Ignored(), Names(Settings(_env_file=None)))
    requests = [
        lookup_pb2.LookupRequest(batch_id=run, run_numbers=[run], event_numbers=[1])
        for run in (1, 13, 2)
    ]
    connection = Connection(database_url, StoreOptions(), autocommit=True, name="test")
    connection.is_distributed()
    connection.distributed = distributed
    wire = [request.SerializeToString() for request in requests]
    if not distributed:
        with pytest.raises(StoreUnavailableError):
            lookups._answer_all(connection, wire)
        return
    first, second, third = lookups._answer_all(connection, wire)
    assert isinstance(second, StoreUnavailableError)
    assert (first.pairs, third.pairs) == (1, 1)
    connection.close()
