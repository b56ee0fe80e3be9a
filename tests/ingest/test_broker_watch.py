"""What a broker says that costs messages is told in the log and in a metric."""

from __future__ import annotations

import math
import socket

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import query
from tests.support.ingest import BrokerInFront, Publisher, Topics, json_event, wait_for_events
from tests.support.processes import Mosquitto, Service, wait_until

KEPT = "eventindex_broker_sessions_kept"
LOST = "eventindex_broker_sessions_lost_total"
DROPPED = "eventindex_broker_dropped_messages"


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


def test_a_session_lost_while_the_service_was_down_is_told(database_url, topics, request):
    """A session that the broker had at the last start and has no more is counted and logged."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    broker.start()
    service = _service(request, broker, database_url, topics)
    known = "SELECT client_id FROM broker_session"
    wait_until(lambda: query(database_url, known), what="the memory of the session")
    service.terminate()
    broker.kill()
    for path in broker.directory.glob("*.db*"):
        path.unlink()
    broker.start()
    service.log.write_text("")
    service.start()
    wait_until(lambda: service.metric(LOST) == 1, what="the lost session")
    assert "the broker has lost the session of client" in service.tail()
    service.terminate()
    service.start()
    assert service.metric(LOST) == 0


class StingyBroker(BrokerInFront):
    """Grants less than is asked for: puts properties of its own into the CONNACK."""

    properties = b""

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        if source.getpeername()[1] == self._upstream:
            head = source.recv(4096)
            # Fixed header (2), flags and reason (2), properties (length first), other packets.
            end = 2 + head[1]
            body = head[2:4] + bytes([len(self.properties)]) + self.properties
            sink.sendall(bytes([0x20, len(body)]) + body + head[end:])
        super()._pump(source, sink)


def test_what_the_broker_does_not_grant_is_told(database_url, mosquitto, topics, request):
    """Each limit below what is asked for is a warning with both values, and a metric."""
    broker = StingyBroker(mosquitto.port)
    broker.properties = (
        b"\x11\x00\x00\x0e\x10" + b"\x24\x00" + b"\x27\x00\x02\x00\x00" + b"\x21\x00\x14"
        b"\x2a\x00" + b"\x28\x00" + b"\x25\x00"
    )
    request.addfinalizer(broker.close)
    service = _service(request, broker, database_url, topics, mqtt_share_group="g")
    log = service.log.read_text()
    for sentence in (
        "away for 3600 s, not for the 604800 s of EVENTINDEX_MQTT_SESSION_EXPIRY_S",
        "the broker's maximum QoS is 0, not 1",
        "packets of at most 131072 bytes, and messages here may have 16777216",
        "the broker's receive maximum is 20, that of this service 1000",
        "no shared subscriptions (available: 0, not 1), and EVENTINDEX_MQTT_SHARE_GROUP='g'",
        "no wildcard subscriptions (available: 0, not 1)",
        "no retained messages (available: 0, not 1)",
    ):
        assert log.count(sentence) == 1, sentence
    for name, value in {
        "session_expiry_seconds": 3600,
        "maximum_qos": 0,
        "maximum_packet_bytes": 131_072,
        "receive_maximum": 20,
        'offers{what="shared_subscriptions"}': 0,
        'offers{what="wildcard_subscriptions"}': 0,
        'offers{what="retained_messages"}': 0,
    }.items():
        assert service.metric(f"eventindex_broker_{name}") == value


def test_a_broker_that_grants_everything_gets_no_warning(database_url, mosquitto, topics, request):
    """What is not said is granted; MQTT 3.1.1 says nothing, which is not a number."""
    service = _service(request, mosquitto, database_url, topics)
    assert service.metric("eventindex_broker_session_expiry_seconds") == 604_800
    assert service.metric("eventindex_broker_maximum_qos") == 2
    assert "not the" not in service.tail()
    service.terminate()
    service.settings["EVENTINDEX_MQTT_VERSION"] = "3.1.1"
    service.start()
    assert math.isnan(service.metric("eventindex_broker_maximum_qos"))
