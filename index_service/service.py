"""index_service from settings to the last answer: the parts put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace

import grpc
import numpy as np

from event_store.database import startup
from event_store.database.connection import Connection
from event_store.database.hosts import first_host, kept_hosts
from event_store.database.rights import READER_RIGHTS
from event_store.database.threads import DatabaseThreads
from event_store.lookup.reader import Reader
from event_store.model import RAW
from event_store.pages.format import SLOT_BITS
from eventindex.v1 import lookup_pb2
from index_service import metrics
from index_service.cosmic import Cosmic
from index_service.counts import EventCounts
from index_service.duplicates import Duplicates
from index_service.events import EventLists
from index_service.file_names import Names
from index_service.gaps import RunGaps
from index_service.lists import Catalogue
from index_service.lookup_groups import GROUPS_AT_ONCE_MAX
from index_service.lookup_reply import encode_file
from index_service.lookups import Lookups
from index_service.overlap import Overlaps
from index_service.replica import ReplicaWatch
from index_service.status import Status
from service_kit import registry
from service_kit.certificates import watch_certificates
from service_kit.grpc_server import ManagedServer, check_exposure, stop_signal
from service_kit.health import DatabaseQuestion, Probe, Pulse, beside
from service_kit.monitoring import MonitoringServer
from service_kit.quotas import Quotas
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_WARM_UP_S = 5.0
_WARM_UP_CACHE_BYTES = 1 << 20
_WARM_UP_RUNS, _WARM_UP_PAGES = 4, 16
_SOME_PAGES = (
    f"SELECT run_number, page_no FROM event_page WHERE run_number = %s AND collection_id = {RAW} "
    "LIMIT %s"
)
# Their columns are decoded by NumPy.
_UNDECODED = frozenset({"Lookup", "LookupStream"})
# Of a process beside those of queries: the probe, the tokens, two that cancel.
_MORE_CONNECTIONS = 4
_CONTRACT = lookup_pb2.DESCRIPTOR.services_by_name["IndexService"]


async def serve(settings: Settings) -> int:
    """Serve lookups in this process until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
        UnusableDatabaseError: the database answers and cannot be used as it is.
        IncompleteServiceError: a method of the contract is missing.
    """
    stopping = stop_signal(asyncio.get_running_loop(), settings.shutdown_max_s)
    check_exposure(settings, settings.index_metrics_address, tls=False)
    service = IndexService(settings)
    watch_certificates(settings, "tls_cert")
    pulse = Pulse()
    with MonitoringServer(
        settings.index_metrics_address,
        live={"event loop": pulse.problem},
        ready={"database": service.probe.problem},
        hosts=settings.our_hosts,
    ):
        async with beside(pulse.run()):
            await service.open()
            await service.run(stopping)
    return 0


class IndexService:
    """The parts of one serving process.

    Attributes:
        probe: tells whether the database answers.
    """

    def __init__(self, settings: Settings, number: int = 0, processes: int = 1) -> None:
        """Make the parts.

        Args:
            settings: of this process.
            number: that of the worker, from 1, or 0 for the only one.
            processes: so many are this service, each with connections of its own.
        """
        self._settings = settings
        reader = Reader(settings.cache_bytes_max, encode_file)
        observer = metrics.Metrics(
            reader.cache,
            requests_max=settings.lookups_at_once_max,
            methods=_CONTRACT.methods_by_name,
        )
        hosts = kept_hosts(settings.database_url.get_secret_value(), first_host(number))
        self._threads = threads = DatabaseThreads(
            hosts,
            settings.store_options,
            settings.database_connections_max,
            name="eventindex index_service",
        )
        names = Names(settings)
        quotas = Quotas(settings)
        parts = (
            Lookups(
                reader,
                threads,
                observer,
                names,
                slow_call_s=settings.slow_call_s,
                quotas=quotas,
                replica_wait_s_max=settings.replica_wait_max_s,
            ),
            Catalogue(threads, names),
            Cosmic(threads),
            EventLists(threads, names),
            EventCounts(threads),
            Overlaps(threads),
            Duplicates(threads),
            RunGaps(threads),
            Status(threads),
        )
        self._handlers = _handlers(parts, observer, settings.slow_call_s, quotas)
        connection = Connection(
            hosts,
            settings.store_options,
            autocommit=True,
            name="eventindex index_service probe",
        )
        self._database = DatabaseQuestion(
            connection,
            "SELECT 1 FROM dataset_version",
            partial(
                startup.check,
                rights=READER_RIGHTS,
                connections=processes * (settings.database_connections_max + _MORE_CONNECTIONS),
            ),
            ReplicaWatch(settings.replica_lag_max_s, observer.replica_lag).problem,
        )
        self.probe = Probe("database", self._database, observer.database)

    async def open(self, *, shared_port: bool = False) -> None:
        """Look at the database, warm up, then bind the port: from then on callers wait for `run`.

        Raises:
            UnsafeAddressError, PortTakenError, UnusableDatabaseError: as `serve`.
        """
        await asyncio.to_thread(startup.check_at_start, self._database.check)
        await self._warm_up()
        self._server = ManagedServer(
            self._settings,
            self._settings.index_address,
            concurrent_rpcs_max=self._settings.lookups_at_once_max,
            shared_port=shared_port,
        )
        self._server.server.add_generic_rpc_handlers((self._handlers,))

    async def _warm_up(self) -> None:
        """Let each connection of the lookups answer one, so that the first caller finds them warm.

        A database that does not answer yet is the probe's to tell.
        """
        lookups = [
            asyncio.ensure_future(self._threads.run(_look_up_once))
            for _ in range(GROUPS_AT_ONCE_MAX)
        ]
        _, late = await asyncio.wait(lookups, timeout=_WARM_UP_S)
        for lookup in late:
            lookup.cancel()
        for error in await asyncio.gather(*lookups, return_exceptions=True):
            if isinstance(error, BaseException):
                log.debug("not warm: %s", error)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until the event is set, then drain."""
        await self._server.start([_CONTRACT.full_name], {"database": self.probe.problem})
        log.info("serving lookups on port %d", self._server.port)
        async with beside(self.probe.run(), self._server.watch_readiness()):
            await stopping.wait()
        log.info("stopping: running calls have %.0f s", self._settings.shutdown_grace_s)
        await self._server.stop()
        self._threads.close()


def _look_up_once(connection: Connection) -> None:
    """Prepare on a connection what a lookup needs; neither the cache nor the metrics see it.

    Some pages of several runs, so that both processes have done all that a cold batch does.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_number FROM run LIMIT %s", (_WARM_UP_RUNS,))
        pages = []
        for (run,) in cursor.fetchall():
            cursor.execute(_SOME_PAGES, (run, _WARM_UP_PAGES))
            pages += cursor.fetchall()
    runs, numbers = np.array(pages or [(0, 0)], np.int64).T.copy()
    reader = Reader(_WARM_UP_CACHE_BYTES, encode_file)
    reader.lookup(connection, runs[:1], numbers[:1] << SLOT_BITS)
    reader.lookup(connection, runs, numbers << SLOT_BITS)


def _handlers(
    parts: Sequence[object], observer: registry.Observer, slow_call_s: float, quotas: Quotas
) -> grpc.GenericRpcHandler:
    """Return the methods of the contract, each of the part that has it."""
    methods = {
        name: getattr(part, name)
        for part in parts
        for name in _CONTRACT.methods_by_name
        if hasattr(part, name)
    }
    return registry.handlers(
        _CONTRACT,
        SimpleNamespace(**methods),
        observer,
        _UNDECODED,
        slow_call_s=slow_call_s,
        quotas=quotas,
    )
