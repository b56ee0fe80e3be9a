"""rest_gateway from settings to the last answer: the parts put together."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import anyio.to_thread

from event_store.database import startup
from event_store.database.connection import Connection
from event_store.database.rights import GATEWAY_RIGHTS
from event_store.database.threads import DatabaseThreads
from rest_gateway import http_server
from rest_gateway.app import make_app
from rest_gateway.calls import live
from rest_gateway.clients import JobServices, Services, connect_services
from rest_gateway.health import index_problem
from rest_gateway.jobs.database import JobDatabase
from rest_gateway.jobs.worker import JobWorker
from rest_gateway.metrics import Metrics
from rest_gateway.parts import Parts
from rest_gateway.shared import Shared
from rest_gateway.sign_in import SignIn
from service_kit.auth import access_control
from service_kit.certificates import watch_certificates
from service_kit.grpc_server import UnsafeAddressError, check_exposure, probe_port, stop_signal
from service_kit.health import DatabaseQuestion, Probe, Pulse, beside
from service_kit.monitoring import Check, MonitoringServer
from service_kit.places import Places
from service_kit.settings import Settings, is_loopback
from service_kit.settings_gateway import HTTP_HEAVY_CALLS_MAX
from service_kit.tls_files import http_tls

log = logging.getLogger(__name__)

_NAME = "eventindex rest_gateway"
# Beside those of requests: jobs, the probe, the tokens.
_MORE_CONNECTIONS = 3
_PAGE_THREADS = 8


async def serve(settings: Settings) -> int:
    """Serve HTTP until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
        UnusableDatabaseError: the database answers and cannot be used as it is.
    """
    stopping = stop_signal(asyncio.get_running_loop(), settings.shutdown_max_s)
    _check_addresses(settings)
    service = Gateway(settings, stopping)
    watch_certificates(settings, "tls_cert")
    with MonitoringServer(
        settings.http_metrics_address,
        live=service.live_checks(),
        ready=service.ready_checks(),
        hosts=settings.our_hosts,
    ):
        async with beside(service.pulse.run()):
            await service.open()
            await service.run(stopping)
    return 0


class Gateway:
    """The parts of the service.

    Attributes:
        pulse: tells whether the event loop turns.
    """

    def __init__(self, settings: Settings, stopping: asyncio.Event) -> None:
        self._settings = settings
        observer = Metrics()
        self._services = connect_services(Services, settings)
        self._own = connect_services(JobServices, settings)
        self._threads = DatabaseThreads(
            settings.database_url.get_secret_value(),
            settings.store_options,
            settings.http_database_connections_max,
            name=_NAME,
            autocommit=False,
        )
        self._worker = JobWorker(
            self._connection("jobs", autocommit=False),
            self._own,
            settings.http_job_lifetime_s,
            observer,
        )
        self._question = DatabaseQuestion(
            self._connection("probe", autocommit=True),
            "SELECT 1 FROM http_job LIMIT 1",
            partial(
                startup.check,
                rights=GATEWAY_RIGHTS,
                connections=settings.http_database_connections_max + _MORE_CONNECTIONS,
            ),
        )
        self.pulse = Pulse()
        self._index = Probe(
            "index", partial(index_problem, self._own), partial(observer.backend, "index")
        )
        self._database = Probe("database", self._question, partial(observer.backend, "database"))
        self._access = access_control(settings, settings.http_address)
        jobs = JobDatabase(self._threads)
        asked = self._access if self._access.tokens else None
        follow = Shared(partial(live.look, self._services), live.INTERVAL_S, stopping)
        parts = Parts(
            settings,
            self._services,
            jobs,
            self._worker,
            asked,
            follow,
            Places(HTTP_HEAVY_CALLS_MAX),
            callers=Places(settings.calls_per_subject_max),
            followers=Places(settings.calls_per_subject_max),
            stopping=stopping,
            sign_in=SignIn(settings),
        )
        self._app = make_app(parts, observer)

    async def open(self) -> None:
        """Look at the database.

        Raises:
            UnusableDatabaseError: it answers and cannot be used as it is.
        """
        await asyncio.to_thread(startup.check_at_start, self._question.check)

    def live_checks(self) -> dict[str, Check]:
        """Return what tells that the process makes progress."""
        return {"event loop": self.pulse.problem, "jobs": self._worker.problem}

    def ready_checks(self) -> dict[str, Check]:
        """Return what tells that requests can be answered."""
        return {"index": self._index.problem, "database": self._database.problem}

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until the event is set, then drain."""
        # Each request that waits for an answer holds a thread; pages have some beside them.
        anyio.to_thread.current_default_thread_limiter().total_tokens = (
            self._settings.http_requests_at_once_max + _PAGE_THREADS
        )
        self._worker.start()
        tls = http_tls(self._settings)
        server = http_server.Server(http_server.configure(self._settings, self._app, tls))
        log.info("serving HTTP on %s", self._settings.http_address)
        async with beside(
            self._index.run(),
            self._database.run(),
            server.stop_after(stopping),
            *([tls.keep_renewed()] if tls else []),
        ):
            await server.serve()
        await self._close()

    async def _close(self) -> None:
        await asyncio.to_thread(self._worker.stop, self._settings.shutdown_grace_s)
        self._threads.close()
        for closing in (self._access, self._services, self._own):
            closing.close()

    def _connection(self, what_for: str, *, autocommit: bool) -> Connection:
        return Connection(
            self._settings.database_url.get_secret_value(),
            self._settings.store_options,
            autocommit=autocommit,
            name=f"{_NAME} {what_for}",
        )


def _check_addresses(settings: Settings) -> None:
    """See that nothing goes over a network unencrypted without leave, and the port is free."""
    check_exposure(settings, settings.http_address)
    check_exposure(settings, settings.http_metrics_address, tls=False)
    for address in (settings.index_address, settings.ingest_address):
        plain = settings.http_services_tls_ca is None
        if plain and not is_loopback(address) and not settings.allow_plaintext:
            raise UnsafeAddressError(
                f"{address} is another machine and would be asked without TLS: set "
                "EVENTINDEX_HTTP_SERVICES_TLS_CA, or EVENTINDEX_ALLOW_PLAINTEXT=true on a network "
                "that nobody else reaches"
            )
    probe_port(settings.http_address)
