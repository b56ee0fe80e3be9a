"""What a broker says that costs messages is told in the log and in a metric."""

from __future__ import annotations

import socket

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.ingest_fixtures import BrokerInFront, Publisher, Topics, json_event, wait_for_events
from tests.processes import Mosquitto, Service, wait_until

KEPT = "eventindex_broker_sessions_kept"
LOST = "eventindex_broker_sessions_lost_total"
DROPPED = "eventindex_broker_dropped_messages"


@pytest.fixture
def topics():
    """Topics of this test alone."""
    return Topics()


def _service(request, broker, database_url: str, topics: Topics, **settings) -> Service:
    settings = {"mqtt_reconnect_max_s": 1, **topics.settings, **settings}
    service = Service("ingest_service", database_url=database_url, mqtt_url=broker.url, **settings)
    request.addfinalizer(service.close)
    return service.start()


def test_lost_session_is_told(database_url, topics, request):
    """A broker that comes back without the session may have lost messages: a metric says so."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    broker.start()
    service = _service(request, broker, database_url, topics)
    broker.kill()
    for path in broker.directory.glob("*.db*"):
        path.unlink()
    broker.start()
    lost = "eventindex_broker_sessions_lost_total"
    wait_until(lambda: service.metric(lost) == 1, what="the lost session")
    assert service.metric(KEPT) == 1
    assert "the broker has lost the session" in service.tail()


def test_start_without_a_session_is_told(database_url, mosquitto, topics, request):
    """The first start is the only one that may find no session."""
    service = _service(request, mosquitto, database_url, topics)
    assert "the broker has no session of client" in service.tail()
    assert service.metric(KEPT) == 1
    service.terminate()
    service.log.write_text("")
    service.start()
    assert "no session" not in service.tail()
    assert (service.metric(KEPT), service.metric(LOST)) == (1, 0)


class ForgetfulBroker(BrokerInFront):
    """Begins every session anew, whatever the client asks for."""

    def admit(self, first: bytes, client: socket.socket) -> bytes | None:
        # After the fixed header (2), "MQTT" (6) and the protocol level: the flags.
        return first[:9] + bytes([first[9] | 2]) + first[10:]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_broker_without_sessions_is_told(database_url, mosquitto, topics, request, version):
    """A broker that keeps no session is found out at the start; what it delivers is stored."""
    broker = ForgetfulBroker(mosquitto.port)
    request.addfinalizer(broker.close)
    service = _service(request, broker, database_url, topics, mqtt_version=version)
    assert service.metric(KEPT) == 0
    assert "the broker keeps no sessions" in service.tail()
    publisher = Publisher(mosquitto.port)
    request.addfinalizer(publisher.close)
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)


def test_dropped_messages_are_told(database_url, topics, request):
    """Messages that the broker had no room for are in the log and in a metric; more, again."""
    broker = Mosquitto("max_queued_messages 10\nmax_inflight_messages 10\nsys_interval 1")
    request.addfinalizer(broker.close)
    broker.start()
    service = _service(request, broker, database_url, topics)
    publisher = Publisher(broker.port)
    request.addfinalizer(publisher.close)
    _leave_a_session(broker, "away/#")
    for number in (1, 2):
        publisher.publish("away/x", *["x"] * 100)
        publisher.flush()
        # Of the first hundred ten are kept.
        wait_until(lambda n=number: service.metric(DROPPED) == n * 100 - 10, what="the drops")
        assert service.tail().count("the broker has dropped") >= number
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)
    assert "only QoS 1 is safe" not in service.tail()


def _leave_a_session(broker: Mosquitto, subscription: str) -> None:
    """A client that subscribed and is away."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="away", clean_session=False)
    client.on_connect = lambda *_: client.subscribe(subscription, qos=1)
    client.on_subscribe = lambda *_: client.disconnect()
    client.connect("127.0.0.1", broker.port)
    client.loop_forever()


class BrokerWithoutSys(BrokerInFront):
    """Ends the connection of a client that asks for `$SYS`."""

    def passes(self, data: bytes) -> bool:
        return b"$SYS" not in data


def test_broker_without_sys(database_url, mosquitto, topics, request):
    """A broker that ends the connection over `$SYS` is not asked for it again."""
    broker = BrokerWithoutSys(mosquitto.port)
    request.addfinalizer(broker.close)
    service = _service(request, broker, database_url, topics)
    publisher = Publisher(mosquitto.port)
    request.addfinalizer(publisher.close)
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)
    assert service.metric("eventindex_broker_connections_total") == 2
