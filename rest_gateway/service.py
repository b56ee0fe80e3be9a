"""rest_gateway from settings to the last answer: the parts put together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio.to_thread
import uvicorn

from event_store.database import startup
from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from rest_gateway.app import make_app
from rest_gateway.clients import JobServices, Services, connect_services
from rest_gateway.health import index_problem
from rest_gateway.jobs.database import JobDatabase
from rest_gateway.jobs.worker import JobWorker
from rest_gateway.metrics import Metrics
from rest_gateway.parts import Parts
from service_kit.auth import access_control
from service_kit.grpc_server import UnsafeAddressError, check_exposure, probe_port, stop_signal
from service_kit.health import DatabaseQuestion, Probe, Pulse
from service_kit.monitoring import MonitoringServer
from service_kit.settings import Settings, is_loopback, split_address

log = logging.getLogger(__name__)

_NAME = "eventindex rest_gateway"
_CHANGE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_RIGHTS = {"http_job": _CHANGE, "http_job_chunk": _CHANGE, "access_token": ("SELECT",)}


async def serve(settings: Settings) -> int:
    """Serve HTTP until SIGTERM or SIGINT, then drain; the exit code.

    Raises:
        UnsafeAddressError, PortTakenError: an address cannot be used.
        UnusableDatabaseError: the database answers and cannot be used as it is.
    """
    stopping = stop_signal(asyncio.get_running_loop())
    _check_addresses(settings)
    options = settings.store_options
    observer = Metrics()
    services = connect_services(Services, settings)
    own = connect_services(JobServices, settings)
    threads = DatabaseThreads(
        settings.database_url,
        options,
        settings.http_database_connections_max,
        name=_NAME,
        autocommit=False,
    )
    worker = JobWorker(
        Connection(settings.database_url, options, autocommit=False, name=f"{_NAME} jobs"),
        own,
        settings.http_job_lifetime_s,
        observer,
    )
    probe = Connection(settings.database_url, options, autocommit=True, name=f"{_NAME} probe")
    question = DatabaseQuestion(
        probe, "SELECT 1 FROM http_job LIMIT 1", partial(startup.check, rights=_RIGHTS)
    )
    await asyncio.to_thread(startup.check_at_start, question.check)
    pulse = Pulse()
    index = Probe("index", partial(index_problem, own), partial(observer.backend, "index"))
    database = Probe("database", question, partial(observer.backend, "database"))
    access = access_control(settings, settings.http_address)
    app = make_app(
        Parts(settings, services, JobDatabase(threads), worker, access, stopping), observer
    )
    # Each request that waits for an answer holds a thread.
    anyio.to_thread.current_default_thread_limiter().total_tokens = (
        settings.http_requests_at_once_max
    )
    with MonitoringServer(
        settings.http_metrics_address,
        live={"event loop": pulse.problem, "jobs": worker.problem},
        ready={"index": index.problem, "database": database.problem},
    ):
        worker.start()
        server = _Server(_uvicorn_config(settings, app))
        background = [
            asyncio.create_task(task)
            for task in (pulse.run(), index.run(), database.run(), server.stop_after(stopping))
        ]
        log.info("serving HTTP on %s", settings.http_address)
        await server.serve()
        for task in background:
            task.cancel()
        await asyncio.to_thread(worker.stop, settings.shutdown_grace_s)
        threads.close()
        for closing in (access, services, own):
            if closing is not None:
                closing.close()
    return 0


class _Server(uvicorn.Server):
    """Stops when it is told to by others: it takes no signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: uvicorn would die of them in the end."""
        yield

    async def stop_after(self, stopping: asyncio.Event) -> None:
        """Refuse new connections and let the running requests end, once the event is set."""
        await stopping.wait()
        log.info("stopping: running requests have %d s", self.config.timeout_graceful_shutdown)
        self.should_exit = True


def _uvicorn_config(settings: Settings, app: Any) -> uvicorn.Config:
    host, port = split_address(settings.http_address)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(int(settings.shutdown_grace_s), 1),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=None if settings.tls_client_ca is None else str(settings.tls_client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if settings.tls_client_ca is None else ssl.CERT_REQUIRED,
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
