"""The database of the jobs, for coroutines and for threads. Never blocks the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads

T = TypeVar("T")


class JobDatabase:
    """Runs functions of `job_store` in the database threads."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._loop = asyncio.get_running_loop()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a function, for a coroutine.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        return await self._threads.run(work)

    def wait(self, work: Callable[[Connection], T]) -> T:
        """Run a function, for a thread that is not the loop's; raises the same."""
        return asyncio.run_coroutine_threadsafe(self._threads.run(work), self._loop).result()
