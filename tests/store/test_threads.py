"""Calls of the database in threads: waiting, stalls, cancelled calls."""

from __future__ import annotations

import asyncio

import pytest

from event_store.database.connection import StoreOptions
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreUnavailableError
from tests.faults.proxy import Proxy


def test_a_stalled_call_is_not_made_again(postgres, database_url, request):
    """Who has waited for a silent database as long as allowed is told so, once."""
    proxy = Proxy(postgres.port)
    request.addfinalizer(proxy.close)
    url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/")
    threads = DatabaseThreads(url, StoreOptions(stall_timeout_s=1), 1, name="test")
    request.addfinalizer(threads.close)
    calls = []

    def work(connection):
        calls.append(connection)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    asyncio.run(threads.run(work))
    proxy.stall()
    with pytest.raises(StoreUnavailableError):
        asyncio.run(threads.run(work))
    assert len(calls) == 2
    proxy.heal()
    asyncio.run(threads.run(work))
