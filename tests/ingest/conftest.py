"""Fixtures of the tests of the ingest service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from eventindex.v1 import admin_pb2, admin_pb2_grpc
from service_kit.settings import MESSAGE_BYTES_MAX
from tests.support.gateway import database
from tests.support.ingest import (
    Publisher,
    Topics,
)
from tests.support.processes import Mosquitto, Service


@pytest.fixture
def topics():
    """Topics of this test alone."""
    return Topics()


@pytest.fixture
def publisher(mosquitto):
    """A publisher on the session's broker."""
    publisher = Publisher(mosquitto.port)
    yield publisher
    publisher.close()


@pytest.fixture
def quick_broker():
    """A broker that is not killed: saving its store after every message would make it slow."""
    broker = Mosquitto("autosave_interval 20000")
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def service(database_url, mosquitto, topics):
    """The service on the session's broker and a fresh database."""
    service = Service(
        "ingest_service", database_url=database_url, mqtt_url=mosquitto.url, **topics.settings
    )
    yield service.start()
    service.close()


@pytest.fixture
def channel(ingest_address):
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
    with grpc.insecure_channel(ingest_address, options) as opened:
        yield opened


class Admin:
    """A client of AdminService whose methods take the fields of the request."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = admin_pb2_grpc.AdminServiceStub(channel)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        make = getattr(admin_pb2, f"{method}Request")
        return lambda **fields: getattr(self._stub, method)(make(**fields), timeout=60)


@pytest.fixture
def admin(channel):
    """A client of a service on a fresh database."""
    return Admin(channel)


@pytest.fixture(scope="session")
def refusing(postgres, _template):
    """A client of a service that all tests of refused changes share, and its database."""
    with database(postgres, _template) as url:
        service = Service("ingest_service", database_url=url).start()
        with grpc.insecure_channel(service.address) as channel:
            yield Admin(channel), url
        service.close()
