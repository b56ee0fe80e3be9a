"""Retained messages: taken when the subscription is new, refused once, cleared by empty ones."""

from __future__ import annotations

import pytest

from event_store.model import DeadLetter
from event_store.write.writer import Store
from tests.conftest import query
from tests.support.ingest import Publisher, Topics, check_balance, json_event, wait_for_events
from tests.support.processes import Mosquitto, Service, wait_until

KNOWN = "eventindex_ingest_known_dead_letters_total"
EMPTY = "eventindex_ingest_empty_messages_total"
CONNECTIONS = "eventindex_broker_connections_total"
LETTERS = "SELECT topic, payload FROM dead_letter ORDER BY 1"


class RetainingPublisher(Publisher):
    """Asks the broker to keep the last message of each topic."""

    def keep(self, topic: str, payload: str | bytes) -> None:
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_retained_bad_message_is_one_dead_letter(database_url, request, version):
    """However often the bridge starts or the broker loses its session: one letter, one event."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    broker.start()
    topics = Topics()
    publisher = RetainingPublisher(broker.port)
    request.addfinalizer(publisher.close)
    publisher.keep(topics.json, f"[{json_event(1, 1)}, 7]")
    publisher.keep(topics.cosmic("3"), "bad")
    settings = {"mqtt_reconnect_max_s": 1, "mqtt_version": version, **topics.settings}
    service = Service("ingest_service", database_url=database_url, mqtt_url=broker.url, **settings)
    request.addfinalizer(service.close)
    service.start()
    wait_for_events(database_url, 1)
    wait_until(lambda: len(query(database_url, LETTERS)) == 2, what="two dead letters")
    # A live one is kept by the broker too, and comes again flagged.
    publisher.keep(topics.batch, b"\xff\xff")
    wait_until(lambda: len(query(database_url, LETTERS)) == 3, what="three dead letters")
    service.terminate()
    service.start()
    again = 3 if version == "3.1.1" else 0
    wait_until(lambda: service.metric(KNOWN) >= again, what="the retained messages once more")
    service.terminate()
    # The session goes: the subscriptions are new in MQTT 5 too.
    service.settings["EVENTINDEX_MQTT_CLIENT_ID"] += "-2"
    service.start()
    wait_until(lambda: service.metric(KNOWN) == 3, what="the retained messages once more")
    assert len(query(database_url, LETTERS)) == 3
    check_balance(service)


def test_an_empty_message_is_ignored_and_counted(database_url, mosquitto, request):
    """Whoever clears a retained message, on any topic, makes neither an event nor a dead letter."""
    topics = Topics()
    service = Service(
        "ingest_service", database_url=database_url, mqtt_url=mosquitto.url, **topics.settings
    )
    request.addfinalizer(service.close)
    service.start()
    publisher = RetainingPublisher(mosquitto.port)
    request.addfinalizer(publisher.close)
    for topic in (topics.json, topics.batch, topics.cosmic("0"), topics.cosmic("no detector")):
        publisher.keep(topic, b"")
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)
    assert service.metric(f'{EMPTY}{{kind="json"}}') == 1
    assert service.metric(f'{EMPTY}{{kind="cosmic"}}') == 1
    assert service.metric(EMPTY) == 4
    assert query(database_url, LETTERS) == []
    check_balance(service)


def test_letters_kept_once_are_told_by_topic_and_payload(database_url):
    """A letter that is to be kept once is left out where its topic and payload are there."""
    store = Store(database_url)

    def letter(topic: str, payload: bytes, *, once: bool = True) -> DeadLetter:
        return DeadLetter(topic, payload, "malformed", "no", "x", once=once)

    store.add_dead_letters([letter("a", b"1", once=False), letter("b", b"2")])
    offered = [
        letter("a", b"1"),
        letter("a", b"2"),
        letter("a", b"1", once=False),
        letter("c", b"3"),
        letter("c", b"3"),
    ]
    assert store.new_letters(offered) == [offered[1], offered[2], offered[3]]
    store.close()
