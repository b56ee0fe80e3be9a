"""The ingest service as a process: puts the parts together, serves, drains.

Never decodes or stores anything itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from event_store.database.startup import check_at_start
from event_store.database.threads import DatabaseThreads
from event_store.write.writer import Store
from eventindex.v1 import ingest_pb2
from ingest_service.admin import door as admin_door
from ingest_service.admin.door import AdminDoor
from ingest_service.admin.replay import Replayer
from ingest_service.decode.topics import Topics
from ingest_service.metrics import Metrics
from ingest_service.mqtt.bridge import Bridge
from ingest_service.pipeline.pipeline import Pipeline
from ingest_service.rpc.door import IngestDoor
from service_kit import registry
from service_kit.grpc_server import ManagedServer, check_exposure, probe_port, stop_signal
from service_kit.monitoring import Check, MonitoringServer
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_CALLS_AT_ONCE_MAX = 1024
# Connections for the administration, beside the writer's.
_ADMIN_CONNECTIONS_MAX = 3
_INGEST = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"]


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises:
        UnsafeAddressError: an address is open to others without TLS and without leave.
        PortTakenError: another process listens on an address.
        UnusableDatabaseError: the database answers and cannot be used as it is.
        IncompleteServiceError: a method of the contract is missing.
    """
    stop = _Stop(asyncio.get_running_loop())
    check_exposure(settings, settings.ingest_metrics_address, tls=False)
    probe_port(settings.ingest_metrics_address)
    server = ManagedServer(
        settings, settings.ingest_address, concurrent_rpcs_max=_CALLS_AT_ONCE_MAX
    )
    store = Store(settings.database_url, settings.store_options)
    await asyncio.to_thread(check_at_start, store.check)
    metrics = Metrics()
    topics = Topics(settings)
    pipeline = Pipeline(store, settings, metrics, stop)
    door = IngestDoor(settings, pipeline.intake, metrics)
    bridge = Bridge(settings, topics, pipeline.intake, metrics, stop) if settings.mqtt_url else None
    threads = _admin_threads(settings)
    replayer = Replayer(topics, door.submit)
    admin = AdminDoor(settings, threads, replayer, metrics.files_refused)
    server.server.add_generic_rpc_handlers(
        (door.handlers(), registry.handlers(admin_door.SERVICE, admin, metrics))
    )

    with MonitoringServer(
        settings.ingest_metrics_address,
        live=_live_checks(pipeline, bridge),
        ready=_ready_checks(pipeline, bridge),
    ):
        pipeline.start()
        await server.start([_INGEST.full_name, admin_door.SERVICE.full_name])
        if bridge:
            bridge.start()
        log.info("serving gRPC on %s", settings.ingest_address)
        await stop.requested.wait()
        await _drain(settings, server, door, bridge, pipeline)
        threads.close()
    return 1 if stop.crashed else 0


class _Stop:
    """A signal, or a thread that ended by mistake (it calls this)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.requested = stop_signal(loop)
        self.crashed = False

    def __call__(self) -> None:
        """Stop the service because one of its threads has ended."""
        self.crashed = True
        self._loop.call_soon_threadsafe(self.requested.set)


async def _drain(
    settings: Settings,
    server: ManagedServer,
    door: IngestDoor,
    bridge: Bridge | None,
    pipeline: Pipeline,
) -> None:
    """Stop taking in, store and acknowledge what was taken in, then say goodbye."""
    log.info("stopping: storing what was taken in")
    await server.set_serving(serving=False)
    if bridge:
        bridge.stop_intake()
    door.stop()
    await asyncio.to_thread(pipeline.drain, settings.shutdown_grace_s)
    if bridge:
        await asyncio.to_thread(bridge.close)
    await server.stop()
    log.info("stopped")


def _live_checks(pipeline: Pipeline, bridge: Bridge | None) -> dict[str, Check]:
    checks: dict[str, Check] = {"writer": pipeline.pulse.problem}
    if bridge:
        checks["bridge"] = bridge.pulse.problem
    return checks


def _ready_checks(pipeline: Pipeline, bridge: Bridge | None) -> dict[str, Check]:
    checks: dict[str, Callable[[], str | None]] = {
        "database": pipeline.database_problem,
        "dead_letters": pipeline.dead_letters_problem,
    }
    if bridge:
        checks["broker"] = bridge.broker_problem
    return checks


def _admin_threads(settings: Settings) -> DatabaseThreads:
    return DatabaseThreads(
        settings.database_url,
        settings.store_options,
        _ADMIN_CONNECTIONS_MAX,
        name="eventindex ingest_service admin",
        autocommit=False,
    )
