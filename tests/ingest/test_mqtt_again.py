"""Messages that the broker sends again, after a lost connection, while their first copies wait."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from tests.conftest import query
from tests.faults.proxy import Proxy
from tests.support.ingest import json_event, wait_for_events
from tests.support.processes import Service, wait_until

QUEUE = 'eventindex_ingest_queue_messages{door="mqtt"}'
CONNECTIONS = "eventindex_broker_connections_total"
DUPLICATES = "eventindex_ingest_duplicate_events_total"
LATE = "eventindex_ingest_dropped_acks_total"


@pytest.fixture
def link(mosquitto) -> Iterator[Proxy]:
    """What lies between the service and its broker."""
    made = Proxy(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def service(link, topics, database_url) -> Iterator[Service]:
    """One that can be cut from its broker."""
    made = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=f"mqtt://127.0.0.1:{link.port}",
        mqtt_reconnect_max_s=1,
        **topics.settings,
    )
    yield made
    made.close()


def wait_behind(
    publisher, topics, database_url, service, last: str
) -> psycopg2.extensions.connection:
    """Let 299 events and a last message wait behind a lock of their run; the session with it."""
    service.start()
    publisher.publish(topics.json, json_event(1, 0))
    wait_for_events(database_url, 1)
    lock = psycopg2.connect(database_url)
    lock.cursor().execute("SELECT 1 FROM run WHERE run_number = 1 FOR UPDATE")
    publisher.publish(topics.json, *(json_event(1, number) for number in range(1, 300)), last)
    wait_until(lambda: service.metric(QUEUE) == 300, what="300 messages that wait")
    return lock


def answered(service, publisher, topics, database_url, events: int) -> None:
    """An orderly end waits until the broker has read the answers: it has nothing to send again."""
    service.process.terminate()
    service.process.wait(30)
    service.start()
    publisher.publish(topics.json, json_event(1, 301))
    wait_for_events(database_url, events)
    assert service.metric(DUPLICATES) == 0, "the broker was not answered"


def test_what_waits_is_not_taken_in_again(service, link, publisher, topics, database_url):
    """However often the connection is lost meanwhile: one copy waits, and its answer arrives."""
    lock = wait_behind(publisher, topics, database_url, service, json_event(1, 300))
    for waiting in (301, 302, 303):
        known = service.metric(CONNECTIONS)
        link.cut()
        wait_until(lambda n=known: service.metric(CONNECTIONS) > n, what="a new connection")
        wait_until(lambda: service.page("/readyz")[0] == 200, what="the subscription")
        # It comes behind all that the broker sends again.
        publisher.publish(topics.json, "bad")
        wait_until(lambda n=waiting: service.metric(QUEUE) >= n, what="the last message")
    assert service.metric(QUEUE) == 303
    lock.close()
    wait_for_events(database_url, 301)
    wait_until(lambda: service.metric(QUEUE) == 0, what="an empty queue")
    assert (service.metric(DUPLICATES), service.metric(LATE)) == (0, 0)
    answered(service, publisher, topics, database_url, 302)


def test_what_was_stored_without_a_broker_is_answered_when_it_comes_again(
    service, link, publisher, topics, database_url
):
    """It is not stored once more: no duplicates, and one dead letter of a malformed message."""
    lock = wait_behind(publisher, topics, database_url, service, "malformed")
    link.cut(stay=True)
    wait_until(lambda: service.page("/readyz")[0] == 503, what="the end of the connection")
    lock.close()
    wait_for_events(database_url, 300)
    wait_until(lambda: service.metric(QUEUE) == 0, what="an empty queue")
    assert service.metric(LATE) == 300
    link.heal()
    wait_until(lambda: service.page("/readyz")[0] == 200, what="the subscription")
    # It comes behind all that the broker sends again.
    publisher.publish(topics.json, json_event(1, 300))
    wait_for_events(database_url, 301)
    letters = query(database_url, "SELECT count(*) FROM dead_letter")
    assert (service.metric(DUPLICATES), letters) == (0, [(1,)])
    answered(service, publisher, topics, database_url, 302)
