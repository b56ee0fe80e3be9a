"""Fixtures of the tests of the ingest service."""

from __future__ import annotations

import grpc
import pytest

from eventindex.v1 import admin_pb2, admin_pb2_grpc
from service_kit.settings import MESSAGE_BYTES_MAX
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


@pytest.fixture
def admin(channel):
    """A client whose methods take the fields of the request."""
    stub = admin_pb2_grpc.AdminServiceStub(channel)

    class Client:
        def __getattr__(self, method):
            make = getattr(admin_pb2, f"{method}Request")
            return lambda **fields: getattr(stub, method)(make(**fields), timeout=60)

    return Client()
