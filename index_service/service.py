"""index_service from settings to the last answer: the parts put together."""

from __future__ import annotations

import asyncio
import logging
import time

from event_store import startup
from event_store.database import Connection, StoreOptions
from event_store.errors import StoreUnavailableError
from event_store.reader import Reader
from event_store.threads import DatabaseThreads
from index_service import metrics, registry
from index_service.catalogue import Catalogue
from index_service.cosmic import Cosmic
from index_service.counts import EventCounts
from index_service.events import EventLists
from index_service.lookups import Lookups
from index_service.reply import encode_file
from service_kit.database import store_options
from service_kit.grpc_server import ManagedServer, check_exposure, stop_signal
from service_kit.monitoring import MonitoringServer
from service_kit.settings import Settings

log = logging.getLogger(__name__)

PING_INTERVAL_S = 1.0
SILENCE_MAX_S = 15.0


async def serve(settings: Settings) -> int:
    """Serve lookups until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
        UnusableDatabaseError: the database answers and cannot be used as it is.
    """
    stopping = stop_signal(asyncio.get_running_loop())
    check_exposure(settings, settings.index_metrics_address, tls=False)
    options = store_options(settings)
    observer = metrics.Metrics()
    probe = DatabaseProbe(settings.database_url, options, observer)
    await asyncio.to_thread(startup.check_at_start, probe.check)
    reader = Reader(settings.cache_bytes_max, encode_file)
    metrics.register(reader.cache)
    threads = DatabaseThreads(
        settings.database_url,
        options,
        settings.database_connections_max,
        name="eventindex index_service",
    )
    server = ManagedServer(
        settings, settings.index_address, concurrent_rpcs_max=settings.lookups_at_once_max
    )
    parts = (
        Lookups(reader, threads, observer),
        Catalogue(threads),
        Cosmic(threads),
        EventLists(threads),
        EventCounts(threads),
    )
    server.server.add_generic_rpc_handlers((registry.handlers(parts, observer),))
    heart = Heartbeat()
    with MonitoringServer(
        settings.index_metrics_address,
        live={"event loop": heart.problem},
        ready={"database": probe.problem},
    ):
        await server.start([registry.SERVICE.full_name])
        log.info("serving lookups on %s", settings.index_address)
        background = [asyncio.create_task(task.run()) for task in (probe, heart)]
        await stopping.wait()
        log.info("stopping: running calls have %.0f s", settings.shutdown_grace_s)
        for task in background:
            task.cancel()
        await server.stop()
        threads.close()
    return 0


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
        except StoreUnavailableError as error:
            return str(error)
        return None
