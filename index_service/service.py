"""index_service from settings to the last answer: the parts put together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from event_store.database import startup
from event_store.database.connection import Connection, StoreOptions
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError
from event_store.lookup.reader import Reader
from index_service import metrics, registry
from index_service.cosmic import Cosmic
from index_service.counts import EventCounts
from index_service.events import EventLists
from index_service.file_names import Names
from index_service.lists import Catalogue
from index_service.lookup_reply import encode_file
from index_service.lookups import Lookups
from service_kit.database import store_options
from service_kit.grpc_server import ManagedServer, check_exposure, stop_signal
from service_kit.monitoring import MonitoringServer
from service_kit.settings import Settings

log = logging.getLogger(__name__)

PING_INTERVAL_S = 1.0
SILENCE_MAX_S = 15.0


async def serve(settings: Settings) -> int:
    """Serve lookups in this process until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
        UnusableDatabaseError: the database answers and cannot be used as it is.
        IncompleteServiceError: a method of the contract is missing.
    """
    stopping = stop_signal(asyncio.get_running_loop())
    check_exposure(settings, settings.index_metrics_address, tls=False)
    service = IndexService(settings)
    await service.open()
    heart = Heartbeat()
    with MonitoringServer(
        settings.index_metrics_address,
        live={"event loop": heart.problem},
        ready={"database": service.probe.problem},
    ):
        await service.run(stopping, heart.run())
    return 0


class IndexService:
    """The parts of one serving process.

    Attributes:
        probe: tells whether the database answers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        options = store_options(settings)
        reader = Reader(settings.cache_bytes_max, encode_file)
        observer = metrics.Metrics(reader.cache)
        self._threads = threads = DatabaseThreads(
            settings.database_url,
            options,
            settings.database_connections_max,
            name="eventindex index_service",
        )
        names = Names(settings)
        parts = (
            Lookups(reader, threads, observer, names),
            Catalogue(threads, names),
            Cosmic(threads),
            EventLists(threads, names),
            EventCounts(threads),
        )
        self._handlers = registry.handlers(parts, observer)
        self.probe = DatabaseProbe(settings.database_url, options, observer)

    async def open(self, *, shared_port: bool = False) -> None:
        """Look at the database, then bind the port: from then on callers wait for `run`.

        Raises:
            UnsafeAddressError, PortTakenError, UnusableDatabaseError: as `serve`.
        """
        await asyncio.to_thread(startup.check_at_start, self.probe.check)
        self._server = ManagedServer(
            self._settings,
            self._settings.index_address,
            concurrent_rpcs_max=self._settings.lookups_at_once_max,
            shared_port=shared_port,
        )
        self._server.server.add_generic_rpc_handlers((self._handlers,))

    async def run(self, stopping: asyncio.Event, watch: Coroutine[Any, Any, None]) -> None:
        """Serve until the event is set, then drain; `watch` runs beside until then."""
        await self._server.start([registry.SERVICE.full_name])
        log.info("serving lookups on port %d", self._server.port)
        background = [asyncio.create_task(task) for task in (self.probe.run(), watch)]
        await stopping.wait()
        log.info("stopping: running calls have %.0f s", self._settings.shutdown_grace_s)
        for task in background:
            task.cancel()
        await self._server.stop()
        self._threads.close()


class Heartbeat:
    """Tells whether the event loop still turns."""

    def __init__(self) -> None:
        self._beat = time.monotonic()

    async def run(self) -> None:
        """Beat once a second until cancelled."""
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(1.0)

    def problem(self) -> str | None:
        """None while the loop turns, else for how long it has not."""
        silent = time.monotonic() - self._beat
        return None if silent < SILENCE_MAX_S else f"no turn for {silent:.0f} s"


class DatabaseProbe:
    """Asks PostgreSQL for a sign of life once a second, on a connection of its own."""

    def __init__(self, database_url: str, options: StoreOptions, observer: metrics.Metrics) -> None:
        self._connection = Connection(
            database_url, options, autocommit=True, name="eventindex index_service probe"
        )
        self._observer = observer
        self._problem: str | None = "not asked yet"
        self._checked = False

    async def run(self) -> None:
        """Ask until cancelled; logs when the answer changes."""
        while True:
            problem = await asyncio.to_thread(self._ask)
            if problem != self._problem:
                log.log(
                    logging.WARNING if problem else logging.INFO,
                    "database: %s",
                    problem or "answers",
                )
            self._problem = problem
            self._observer.database(up=problem is None)
            await asyncio.sleep(PING_INTERVAL_S)

    def check(self) -> list[str]:
        """Ask whether the database can be used at all; see `startup.check`."""
        warnings = startup.check(self._connection, startup.READER_RIGHTS)
        self._checked = True
        return warnings

    def problem(self) -> str | None:
        """None when PostgreSQL answered the last question, else what is wrong."""
        return self._problem

    def _ask(self) -> str | None:
        try:
            if not self._checked:
                self.check()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM run LIMIT 1")
        except (StoreUnavailableError, StoreError) as error:
            return str(error)
        return None
