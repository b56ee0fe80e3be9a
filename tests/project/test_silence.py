"""A database that is there and says nothing, the worst of its ways to be away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from event_store.database.migrate import migrate
from tests.support.processes import Mosquitto, PostgresServer, Service, wait_until

pytestmark = pytest.mark.slow
SILENCE_S = 60
# Until /readyz has to say so.
NOTICE_S = 10
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A migrated PostgreSQL of this test's own."""
    started = PostgresServer()
    started.start()
    migrate(started.url())
    yield started
    started.close()


@pytest.fixture
def services(server: PostgresServer, mosquitto: Mosquitto) -> Iterator[dict[str, Service]]:
    """All three, ready."""
    with ExitStack() as end:

        def start(module: str, **settings: object) -> Service:
            service = Service(module, database_url=server.url(), **settings)
            end.callback(service.close)
            return service.start()

        index = start("index_service", index_workers=2)
        ingest = start("ingest_service", mqtt_url=mosquitto.url)
        gateway = start("rest_gateway", index_address=index.address, ingest_address=ingest.address)
        yield {service.module: service for service in (index, ingest, gateway)}


def health(service: Service) -> int:
    """What gRPC health says."""
    with grpc.insecure_channel(service.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status


def pause(server: PostgresServer) -> Callable[[], None]:
    """Stop every process of the server with SIGSTOP; returns what lets them go on."""
    postmaster = psutil.Process(server.pid)
    # First the one that would start others.
    stopped = [postmaster]
    postmaster.suspend()
    for child in postmaster.children():
        child.suspend()
        stopped.append(child)

    def go_on() -> None:
        for process in reversed(stopped):
            process.resume()

    return go_on


def test_nobody_is_restarted_for_a_silent_database(
    server: PostgresServer, services: dict[str, Service]
) -> None:
    """In a minute of silence /healthz is 200, /readyz and gRPC health say no; all come back."""
    grpc_services = [services["index_service"], services["ingest_service"]]
    assert [health(service) for service in grpc_services] == [SERVING, SERVING]
    go_on = pause(server)
    try:
        began, noticed = time.monotonic(), {}
        victim = psutil.Process(services["index_service"].process.pid).children()[0]
        while time.monotonic() - began < SILENCE_S:
            for name, service in services.items():
                assert service.page("/healthz")[0] == 200, (name, time.monotonic() - began)
                if service.page("/readyz")[0] == 503:
                    noticed.setdefault(name, time.monotonic() - began)
            if len(noticed) == len(services) and victim is not None:
                # The next process finds the silence at its start.
                victim.kill()
                victim = None
            time.sleep(0.25)
        assert noticed.keys() == services.keys()
        assert max(noticed.values()) < NOTICE_S, noticed
        assert [health(service) for service in grpc_services] == [NOT_SERVING, NOT_SERVING]
        assert {service.page("/readyz")[0] for service in services.values()} == {503}
    finally:
        go_on()
    for name, service in services.items():
        wait_until(lambda s=service: s.page("/readyz")[0] == 200, 40, f"{name} is ready again")
    assert [health(service) for service in grpc_services] == [SERVING, SERVING]
