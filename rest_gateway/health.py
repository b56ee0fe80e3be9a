"""Whether what the gateway stands before answers: the index and the database of the jobs.

Asked once a second; the loop that asks is also the pulse of the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from event_store.database.connection import Connection
from event_store.errors import StoreError, StoreUnavailableError
from eventindex.errors import AccessError, EventIndexError
from rest_gateway.clients import JobServices
from rest_gateway.metrics import Metrics

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0
_ANSWER_S_MAX = 2.0
_SILENCE_S_MAX = 15.0


class Backends:
    """The last answer of each."""

    def __init__(self, services: JobServices, connection: Connection, observer: Metrics) -> None:
        self._services = services
        self._connection = connection
        self._observer = observer
        self._problems: dict[str, str | None] = {"index": "not asked yet", "database": "not asked"}
        self._beat = time.monotonic()

    async def run(self) -> None:
        """Ask until cancelled; logs when an answer changes."""
        asks = {"index": self._ask_index, "database": self._ask_database}
        while True:
            await asyncio.gather(*(self._ask(name, ask) for name, ask in asks.items()))
            self._beat = time.monotonic()
            await asyncio.sleep(_INTERVAL_S)

    def index_problem(self) -> str | None:
        """Return none when the index answered the last question, else what is wrong."""
        return self._problems["index"]

    def database_problem(self) -> str | None:
        """Return none when the database answered the last question, else what is wrong."""
        return self._problems["database"]

    def loop_problem(self) -> str | None:
        """Return none while the event loop turns, else for how long it has not."""
        silent = time.monotonic() - self._beat
        return None if silent < _SILENCE_S_MAX else f"no turn for {silent:.0f} s"

    async def _ask(self, name: str, ask: Callable[[], str | None]) -> None:
        problem = await asyncio.to_thread(ask)
        if problem != self._problems[name]:
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "%s: %s", name, problem or "answers")
        self._problems[name] = problem
        self._observer.backend(name, up=problem is None)

    def _ask_index(self) -> str | None:
        try:
            self._services.lookup([], timeout=_ANSWER_S_MAX)
        except AccessError as error:
            # It answers, though not this caller: requests bring tokens of their own.
            log.debug("the index: %s", error)
        except EventIndexError as error:
            return str(error)
        return None

    def _ask_database(self) -> str | None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM http_job LIMIT 1")
        except (StoreUnavailableError, StoreError) as error:
            return str(error)
        return None
