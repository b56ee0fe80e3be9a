"""The ingest service as a process: puts the parts together, serves, drains.

Never decodes or stores anything itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from event_store.database.connection import Connection
from event_store.database.startup import check_at_start
from event_store.write.writer import Store
from eventindex.v1 import admin_pb2
from ingest_service.admin import door as admin_door
from ingest_service.admin import reply
from ingest_service.admin.audit import AuditedThreads, audited
from ingest_service.admin.door import AdminDoor
from ingest_service.admin.replay import Replayer
from ingest_service.decode.topics import Topics
from ingest_service.detectors import Detectors, remember
from ingest_service.metrics import Metrics
from ingest_service.mqtt.bridge import Bridge
from ingest_service.pipeline.pipeline import Pipeline
from ingest_service.queue_metrics import QueueMetrics
from ingest_service.rpc import door as rpc_door
from ingest_service.rpc.door import IngestDoor
from ingest_service.stored_metrics import StoredMetrics
from service_kit import registry
from service_kit.certificates import watch_certificates
from service_kit.grpc_server import (
    ManagedServer,
    UnsafeAddressError,
    check_exposure,
    end_after,
    probe_port,
    stop_signal,
)
from service_kit.health import DatabaseQuestion, Probe, Pulse, beside
from service_kit.monitoring import Check, MonitoringServer
from service_kit.outgoing import plain_broker
from service_kit.quotas import Quotas
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_CALLS_AT_ONCE_MAX = 1024
# Connections for the administration, beside the writer's.
_ADMIN_CONNECTIONS_MAX = 3
# The writer's, its probe, the health probe, the tokens, two that cancel, the broker's session.
_MORE_CONNECTIONS = 7


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises:
        UnsafeAddressError: an address is open to others without TLS and without leave.
        PortTakenError: another process listens on an address.
        UnusableDatabaseError: the database answers and cannot be used as it is.
        IncompleteServiceError: a method of the contract is missing.
    """
    stop = _Stop(asyncio.get_running_loop(), settings)
    check_exposure(settings, settings.ingest_metrics_address, tls=False)
    _check_broker(settings)
    probe_port(settings.ingest_metrics_address)
    service = IngestService(settings, stop)
    with MonitoringServer(
        settings.ingest_metrics_address,
        live=service.live_checks(),
        ready=service.ready_checks(),
        hosts=settings.our_hosts,
    ):
        async with beside(service.pulse.run()):
            await service.open()
            await service.run(stop.requested)
    return 1 if stop.crashed else 0


def _check_broker(settings: Settings) -> None:
    """See that no password goes over a network in clear without leave; UnsafeAddressError."""
    plain = plain_broker(settings.mqtt_url.get_secret_value()) if settings.mqtt_url else None
    if plain is not None and not settings.allow_plaintext:
        raise UnsafeAddressError(plain)


class IngestService:
    """The parts of the service; a part whose thread ends by mistake calls `on_crash`.

    Attributes:
        pulse: tells whether the event loop turns.
    """

    def __init__(self, settings: Settings, on_crash: Callable[[], None]) -> None:
        self._settings = settings
        self._server = ManagedServer(
            settings, settings.ingest_address, concurrent_rpcs_max=_CALLS_AT_ONCE_MAX
        )
        self._metrics = metrics = Metrics(with_broker=bool(settings.mqtt_url))
        topics = Topics(settings)
        self._store = Store(
            settings.database_url.get_secret_value(),
            settings.store_options,
            collections_max=settings.collections_max,
        )
        self._detectors = Detectors(settings.detector_silence_min_s)
        self._pipeline = Pipeline(
            self._store, settings, metrics, on_crash, heard=self._detectors.heard
        )
        intake = self._pipeline.intake
        quotas = Quotas(settings)
        self._door = IngestDoor(settings, intake, metrics, quotas)
        self._bridge: Bridge | None = None
        if settings.mqtt_url:
            self._bridge = Bridge(settings, topics, intake, metrics, on_crash)
        self._admin_threads = AuditedThreads(
            settings.database_url.get_secret_value(),
            settings.store_options,
            _ADMIN_CONNECTIONS_MAX,
            name="eventindex ingest_service admin",
            autocommit=False,
        )
        replayer = Replayer(topics, self._door.submit)
        admin = AdminDoor(
            settings, self._admin_threads, replayer, self._status, metrics.files_refused
        )
        observed = partial(
            registry.handlers,
            observer=metrics.calls,
            slow_call_s=settings.slow_call_s,
            quotas=quotas,
        )
        self._server.server.add_generic_rpc_handlers(
            (
                observed(rpc_door.SERVICE, self._door, undecoded=rpc_door.UNDECODED),
                observed(admin_door.SERVICE, audited(admin, self._admin_threads)),
            )
        )
        QueueMetrics(intake, self._pipeline.busy)
        self._stored = StoredMetrics(self._admin_threads)
        watch_certificates(settings, "tls_cert", "mqtt_tls_cert")
        self.pulse = Pulse()
        # Beside the writer, whose call may be silent for as long as a connection may stall.
        self._probe = Probe(
            "database",
            DatabaseQuestion(
                Connection(
                    settings.database_url.get_secret_value(),
                    settings.store_options,
                    autocommit=True,
                    name="eventindex ingest_service probe",
                ),
                # The coordinator's own on a cluster, where a node may be away.
                "SELECT version FROM dataset_version",
                lambda _: [],
            ),
            self._note_answer,
        )

    def _status(self) -> admin_pb2.IngestStatusResponse:
        status = self._metrics.status()
        status.detectors.extend(map(reply.detector_message, self._detectors.now()))
        return status

    async def open(self) -> None:
        """Look at the database.

        Raises:
            UnusableDatabaseError: it answers and cannot be used as it is.
        """
        connections = _ADMIN_CONNECTIONS_MAX + _MORE_CONNECTIONS
        await asyncio.to_thread(check_at_start, partial(self._store.check, connections))

    def live_checks(self) -> dict[str, Check]:
        """Return what tells that the threads make progress."""
        checks: dict[str, Check] = {
            "event loop": self.pulse.problem,
            "writer": self._pipeline.pulse.problem,
        }
        if self._bridge:
            checks["bridge"] = self._bridge.pulse.problem
        return checks

    def ready_checks(self) -> dict[str, Check]:
        """Return what tells that events can be taken in and stored."""
        checks: dict[str, Check] = {
            "database": self._database_problem,
            "dead_letters": self._pipeline.dead_letters_problem,
        }
        if self._bridge:
            checks["broker"] = self._bridge.broker_problem
        return checks

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until the event is set, then drain."""
        self._pipeline.start()
        services = [rpc_door.SERVICE.full_name, admin_door.SERVICE.full_name]
        await self._server.start(services, self.ready_checks())
        if self._bridge:
            self._bridge.start()
        log.info("serving gRPC on %s", self._settings.ingest_address)
        remembering = remember(self._detectors, self._admin_threads, self._metrics.silent_detectors)
        async with beside(
            self._stored.run(), self._probe.run(), self._server.watch_readiness(), remembering
        ):
            await stopping.wait()
        await self._drain()

    def _note_answer(self, answers: bool) -> None:  # what a probe calls
        self._metrics.database_up(up=answers and self._pipeline.database_problem() is None)

    def _database_problem(self) -> str | None:
        """Return what the writer was told last, or that nothing is said any more."""
        return self._pipeline.database_problem() or self._probe.problem()

    async def _drain(self) -> None:
        """Stop taking in, store and acknowledge what was taken in, then say goodbye."""
        log.info("stopping: storing what was taken in")
        await self._server.refuse()
        if self._bridge:
            self._bridge.stop_intake()
        self._door.stop()
        await asyncio.to_thread(self._pipeline.drain, self._settings.shutdown_grace_s)
        if self._bridge:
            await asyncio.to_thread(self._bridge.close)
        await self._server.stop()
        self._admin_threads.close()
        log.info("stopped")


class _Stop:
    """A signal, or a thread that ended by mistake (it calls this)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings) -> None:
        self._loop = loop
        self._end_after_s = settings.shutdown_max_s
        self.requested = stop_signal(loop, settings.shutdown_max_s)
        self.crashed = False

    def __call__(self) -> None:
        """Stop the service because one of its threads has ended."""
        if not self.crashed:
            end_after(self._end_after_s)
        self.crashed = True
        self._loop.call_soon_threadsafe(self.requested.set)
