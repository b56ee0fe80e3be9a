"""Whether a part of a service does its work: what /healthz and /readyz tell.

A pulse tells that something makes progress; a probe asks again and again whether something answers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from event_store.database.connection import Connection
from event_store.errors import StoreError, StoreUnavailableError

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
# A process or an event loop that is silent for longer is not alive.
SILENCE_S_MAX = 15.0
# What has not answered for longer is away, long before the connection to it is given up.
ANSWER_S_MAX = 5.0


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let coroutines run until the block is left."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


class Pulse:
    """Tells for how long there was no progress. For any thread."""

    def __init__(
        self, silence_s_max: float = SILENCE_S_MAX, alive: Callable[[], bool] = lambda: True
    ) -> None:
        """`alive`: whether the thread that makes the progress still runs."""
        self._silence_s_max = silence_s_max
        self._alive = alive
        self._last = time.monotonic()

    def beat(self) -> None:
        """Note some progress."""
        self._last = time.monotonic()

    async def run(self) -> None:
        """Beat once a second, until cancelled, as long as the event loop turns."""
        while True:
            self.beat()
            await asyncio.sleep(INTERVAL_S)

    def problem(self) -> str | None:
        """Return what is wrong, None while there is progress."""
        if not self._alive():
            return "its thread has ended"
        silence_s = time.monotonic() - self._last
        return f"no progress for {silence_s:.0f} s" if silence_s > self._silence_s_max else None


class Probe:
    """Asks once a second for a sign of life, beside the event loop."""

    def __init__(
        self, name: str, ask: Callable[[], str | None], on_answer: Callable[[bool], object]
    ) -> None:
        """`ask` returns what is wrong or None; `on_answer` is told whether it was None."""
        self._name = name
        self._ask = ask
        self._on_answer = on_answer
        self._problem: str | None = "not asked yet"

    async def run(self) -> None:
        """Ask until cancelled; logs when the answer changes."""
        while True:
            asked = asyncio.create_task(asyncio.to_thread(self._ask))
            answered, _ = await asyncio.wait({asked}, timeout=ANSWER_S_MAX)
            if not answered:
                self._note(f"no answer for {ANSWER_S_MAX:.0f} s")
            self._note(await asked)
            await asyncio.sleep(INTERVAL_S)

    def problem(self) -> str | None:
        """Return what was wrong with the last answer, None when nothing was."""
        return self._problem

    def _note(self, problem: str | None) -> None:
        if problem != self._problem:
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "%s: %s", self._name, problem or "answers")
        self._problem = problem
        self._on_answer(problem is None)


class DatabaseQuestion:
    """Asks PostgreSQL for a sign of life on a connection of its own, for a `Probe`."""

    def __init__(
        self,
        connection: Connection,
        statement: str,
        check: Callable[[Connection], list[str]],
        look: Callable[[Connection], str | None] = lambda _: None,
    ) -> None:
        """Ask on this connection.

        Args:
            connection: of nobody else.
            statement: a sign of life.
            check: finds out whether the database can be used at all; it has to succeed once.
            look: says what else is wrong.
        """
        self._look = look
        self._connection = connection
        self._statement = statement
        self._check = check
        self._checked = False

    def check(self) -> list[str]:
        """Return the warnings of the check, which raises where the database cannot be used."""
        warnings = self._check(self._connection)
        self._checked = True
        return warnings

    def __call__(self) -> str | None:
        """Return what is wrong, None when PostgreSQL answers."""
        try:
            if not self._checked:
                self.check()
            with self._connection.cursor() as cursor:
                cursor.execute(self._statement)
            return self._look(self._connection)
        except (StoreUnavailableError, StoreError) as error:
            return str(error)
