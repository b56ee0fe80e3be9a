"""The MQTT door while the broker, the database or the service goes: nothing is lost."""

from __future__ import annotations

import random
import threading

import pytest

from event_store.database.migrate import migrate
from eventindex.v1 import event_pb2
from tests.conftest import query
from tests.support.ingest import (
    FUID,
    Publisher,
    check_balance,
    count_events,
    door_metric,
    json_event,
    wait_for_events,
)
from tests.support.ingest_mqtt import RECEIVED, letters, own_service
from tests.support.processes import Mosquitto, PostgresServer, wait_until


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_under_kill(database_url, quick_broker, topics, request):
    """100,000 events while the service is killed ten times: each is in the index once."""
    publisher = Publisher(quick_broker.port)
    request.addfinalizer(publisher.close)
    service = own_service(quick_broker, database_url, **topics.settings)
    request.addfinalizer(service.close)
    service.start()

    def publish() -> None:
        for event in range(100_000):
            publisher.publish(topics.json, json_event(event % 7, event))
        publisher.flush()

    sending = threading.Thread(target=publish)
    sending.start()
    chance = random.Random(7)
    for _ in range(10):
        sending.join(chance.uniform(0.0, 0.6))
        service.kill()
        service.start(wait="/healthz")
    sending.join()
    wait_for_events(database_url, 100_000, 120)
    assert query(database_url, "SELECT count(*) FROM event_conflict") == [(0,)]
    assert letters(database_url) == []
    check_balance(service)


def test_database_that_is_away_is_waited_for(mosquitto, publisher, topics, request):
    """While PostgreSQL is stopped the service says so and keeps everything; then it goes on."""
    server = PostgresServer()
    request.addfinalizer(server.close)
    service = own_service(mosquitto, server.url(), retry_max_s=0.5, **topics.settings)
    request.addfinalizer(service.close)
    service.start(wait="/healthz")
    assert service.page("/readyz")[0] == 503
    server.start()
    migrate(server.url())
    wait_until(lambda: service.page("/readyz")[0] == 200, what="readiness")
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(server.url(), 1)
    server.stop()
    publisher.publish(topics.json, *[json_event(1, event) for event in range(2, 501)], "bad")
    wait_until(lambda: service.page("/readyz")[0] == 503, what="no readiness")
    assert service.page("/healthz")[0] == 200
    assert service.metric("eventindex_database_up") == 0
    server.start()
    wait_for_events(server.url(), 500)
    wait_until(lambda: len(letters(server.url())) == 1, what="the dead letter")
    check_balance(service)


def test_broker_that_restarts_is_connected_to_again(database_url, topics, request):
    """The service subscribes again by itself, and the session is still there."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    broker.start()
    service = own_service(broker, database_url, mqtt_reconnect_max_s=1, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    broker.stop()
    wait_until(lambda: service.page("/readyz")[0] == 503, what="no readiness")
    assert service.metric("eventindex_broker_up") == 0
    broker.start()
    wait_until(lambda: service.page("/readyz")[0] == 200, what="readiness")
    publisher = Publisher(broker.port)
    request.addfinalizer(publisher.close)
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)
    assert service.metric("eventindex_broker_connections_total") == 2
    assert service.metric("eventindex_broker_sessions_lost_total") == 0


def test_two_instances_share_the_messages(database_url, quick_broker, topics, request):
    """Two members of a share group store one run at once, one is killed: no deadlock, no loss."""
    publisher = Publisher(quick_broker.port)
    request.addfinalizer(publisher.close)
    members = []
    for number in (1, 2):
        settings = topics.settings | {"mqtt_client_id": f"{topics.id}-{number}"}
        member = own_service(
            quick_broker, database_url, mqtt_share_group=topics.id, batch_age_max_ms=5, **settings
        )
        request.addfinalizer(member.close)
        members.append(member.start())

    def publish() -> None:
        chance = random.Random(7)
        for first in range(0, 30_000, 100):
            # Batches that take the same runs in any order, and single events between them.
            numbers = chance.sample(range(first, first + 100), 100)
            batch = event_pb2.EventBatch(
                files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
                run_numbers=[number % 3 for number in numbers],
                event_numbers=numbers,
                file_indexes=[1] * 100,
            )
            publisher.publish(topics.batch, batch.SerializeToString())
            publisher.publish(topics.json, *[json_event(n % 3, n) for n in range(first, first + 9)])
        publisher.flush()

    sending = threading.Thread(target=publish)
    sending.start()
    for member in members:
        wait_until(lambda m=member: door_metric(m, RECEIVED, "mqtt") > 0, what="its share")
    members[1].kill()
    members[1].start()
    sending.join()
    wait_for_events(database_url, 30_000, 60)
    assert query(database_url, "SELECT count(*) FROM event_conflict") == [(0,)]
    assert letters(database_url) == []
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert query(database_url, deadlocks) == [(0,)]
    for member in members:
        check_balance(member)
    # 30,000 in batches and 2,700 one by one: without sharing each member would get all of them.
    assert 0 < door_metric(members[0], RECEIVED, "mqtt") < 32_700


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_full_queue_pauses_the_bridge(mosquitto, publisher, topics, request, version):
    """With the database away and a small queue the bridge takes no more; nothing is lost."""
    server = PostgresServer()
    request.addfinalizer(server.close)
    server.start()
    migrate(server.url())
    settings = {"queue_messages_max": 50, "retry_max_s": 0.5, "mqtt_version": version}
    service = own_service(mosquitto, server.url(), **settings, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    server.stop()
    publisher.publish(topics.json, *[json_event(1, event) for event in range(300)])
    publisher.flush()
    wait_until(lambda: service.page("/readyz")[0] == 503, what="no readiness")
    server.start()
    wait_for_events(server.url(), 300)
    if version == "3.1.1":
        # This version has no receive window: the queue did run over.
        assert "the queue is full" in service.tail()
    check_balance(service)


def test_sigterm_drains(database_url, quick_broker, topics, request):
    """What was taken in is stored and acknowledged before the service ends with 0."""
    publisher = Publisher(quick_broker.port)
    request.addfinalizer(publisher.close)
    service = own_service(quick_broker, database_url, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    events = [json_event(1, event) for event in range(6_000)]
    sending = threading.Thread(target=publisher.publish, args=(topics.json, *events))
    sending.start()
    wait_until(lambda: door_metric(service, RECEIVED, "mqtt") > 0, what="the first event")
    assert service.terminate() == 0
    stored = count_events(database_url)
    assert 0 < stored < 6_000
    sending.join()
    service.start()
    wait_for_events(database_url, 6_000)
    # What the first process stored it also acknowledged: the second one saw none of it again.
    inserted = "eventindex_ingest_inserted_events_total"
    wait_until(lambda: service.metric(inserted) == 6_000 - stored, what="the rest")
    assert service.metric("eventindex_ingest_duplicate_events_total") == 0
