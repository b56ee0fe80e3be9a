"""The services of the stack: how to run them, and when they are ready.

Never decides their settings beyond addresses and URLs.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from event_store.database.session import environment_without_libpq
from local_stack.account import Account
from local_stack.children import ChildSpec
from local_stack.data_dir import DataDir

_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services listen, host:port each."""

    index: str
    index_metrics: str
    ingest: str
    ingest_metrics: str
    http: str
    http_metrics: str


@dataclass(frozen=True, slots=True)
class BrokerInUse:
    """URL and protocol version of the broker, the latter as in EVENTINDEX_MQTT_VERSION."""

    url: str
    version: str


def service_spec(
    module: str,
    data: DataDir,
    *,
    stage: int,
    database: str,
    mqtt: BrokerInUse,
    addresses: Addresses,
) -> ChildSpec:
    """Return how to run `ingest_service`, `index_service` or `rest_gateway`."""
    return ChildSpec(
        module,
        # -P: never import a module from the working directory.
        (sys.executable, "-P", "-m", module),
        stage=stage,
        account=Account("you"),
        environment={
            **environment_without_libpq(),
            "EVENTINDEX_DATA_DIR": str(data.root),
            "EVENTINDEX_DATABASE_URL": database,
            "EVENTINDEX_MQTT_URL": mqtt.url,
            "EVENTINDEX_MQTT_VERSION": mqtt.version,
            "EVENTINDEX_INDEX_ADDRESS": addresses.index,
            "EVENTINDEX_INDEX_METRICS_ADDRESS": addresses.index_metrics,
            "EVENTINDEX_INGEST_ADDRESS": addresses.ingest,
            "EVENTINDEX_INGEST_METRICS_ADDRESS": addresses.ingest_metrics,
            "EVENTINDEX_HTTP_ADDRESS": addresses.http,
            "EVENTINDEX_HTTP_METRICS_ADDRESS": addresses.http_metrics,
        },
    )


def service_problem(address: str, metrics_address: str) -> Callable[[], str | None]:
    """Return a check that says why a service is not ready, by its /readyz and gRPC health."""

    def problem() -> str | None:
        return readiness_problem(metrics_address) or _health_problem(address)

    return problem


def readiness_problem(metrics_address: str) -> str | None:
    """Return why a service is not ready, or None: its /readyz."""
    url = f"http://{metrics_address}/readyz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_PROBE_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return "; ".join(error.read().decode(errors="replace").split("\n")).strip("; ")
    except (OSError, urllib.error.URLError) as error:
        return f"{url}: {error}"


def _health_problem(address: str) -> str | None:
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(  # type: ignore[attr-defined]  # missing in the type stubs
                health_pb2.HealthCheckRequest(), timeout=_PROBE_TIMEOUT_S
            )
        except grpc.RpcError as error:
            return f"{address}: {error.code().name}"
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        return f"{address}: not serving"
    return None
