"""The MQTT door, with a real broker, a real database and the service as a process."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest

from event_store.database.migrate import migrate
from eventindex.v1 import event_pb2
from tests.conftest import query
from tests.support.ingest import (
    FUID,
    BrokerInFront,
    Publisher,
    check_balance,
    count_events,
    door_metric,
    json_event,
    make_certificates,
    wait_for_events,
)
from tests.support.processes import Mosquitto, PostgresServer, Service, free_port, wait_until

DUMP = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes().splitlines()
RECEIVED = "eventindex_ingest_received_events_total"


def own_service(broker, database_url: str, **settings) -> Service:
    """Return a service, not yet started, with its own settings."""
    return Service("ingest_service", database_url=database_url, mqtt_url=broker.url, **settings)


def letters(url: str) -> list[tuple]:
    """Return topic, payload and reason of the dead letters."""
    rows = query(url, "SELECT topic, payload, reason FROM dead_letter ORDER BY 1, 2")
    return [(topic, bytes(payload), reason) for topic, payload, reason in rows]


def test_dump_line_by_line(service, publisher, topics, database_url):
    """The dump's three lines are three repaired events in one file; again, three duplicates."""
    publisher.publish(topics.cosmic("0"), *DUMP)
    wait_for_events(database_url, 3)
    stored = "SELECT run_number, event_number, fuid_raw FROM collection_events ORDER BY 2"
    rows = query(database_url, stored)
    assert [row[:2] for row in rows] == [(12345, 4917), (12345, 4918), (12345, 4919)]
    assert len({row[2] for row in rows}) == 1
    assert service.metric("eventindex_ingest_repaired_events_total") == 3
    publisher.publish(topics.cosmic("0"), *DUMP)
    duplicates = "eventindex_ingest_duplicate_events_total"
    wait_until(lambda: service.metric(duplicates) == 3, what="three duplicates")
    assert count_events(database_url) == 3
    check_balance(service)


def test_three_topics_three_decoders(service, publisher, topics, database_url):
    """A protobuf batch, a JSON array and a record of a telescope end in one index."""
    batch = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
        run_numbers=[1],
        event_numbers=range(1000),
        file_indexes=[1] * 1000,
        olt_results=[2**64 - 1] * 1000,
    )
    publisher.publish(topics.batch, batch.SerializeToString())
    publisher.publish(topics.json, f"[{json_event(2, 1)}, {json_event(2, 2)}]", json_event(2, 3))
    publisher.publish(topics.cosmic("0"), b"\n".join(DUMP))
    wait_for_events(database_url, 1006)
    stored = "SELECT count(*), bit_and(olt_result) FROM events WHERE run_number = 1"
    assert query(database_url, stored) == [(1000, -1)]


def test_refused_events_are_dead_letters(service, publisher, topics, database_url):
    """Each refused piece is kept as it came, with a reason; what is good around it is stored."""
    batch = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=4)],
        run_numbers=[1],
        event_numbers=[1, 2**63],
        file_indexes=[1, 1],
    )
    publisher.publish(topics.batch, batch.SerializeToString(), b"\xff\xff")
    publisher.publish(topics.json, f"[{json_event(2, 1)}, 7]", "nonsense", b"\x00")
    publisher.publish(topics.cosmic("1"), DUMP[0])
    wait_until(lambda: len(letters(database_url)) == 6, what="six dead letters")
    found = letters(database_url)
    assert (topics.batch, b"\xff\xff", "malformed") in found
    assert (topics.json, b"7", "wrong_type") in found
    assert (topics.json, b"nonsense", "malformed") in found
    assert (topics.json, b"\x00", "malformed") in found
    assert (topics.cosmic("1"), DUMP[0], "wrong_detector") in found
    piece = next(p for t, p, r in found if t == topics.batch and r == "out_of_range")
    assert list(event_pb2.EventBatch.FromString(piece).event_numbers) == [2**63]
    wait_for_events(database_url, 2)
    check_balance(service)


def test_malformed_messages_do_not_stall_intake(
    database_url, mosquitto, publisher, topics, request
):
    """More malformed messages than the receive window go by, and the good one after them too."""
    service = own_service(mosquitto, database_url, mqtt_receive_maximum=10, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    publisher.publish(topics.json, *["bad"] * 200, json_event(1, 1))
    wait_for_events(database_url, 1)
    assert len(letters(database_url)) == 200
    check_balance(service)


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
def test_both_versions_of_mqtt(database_url, mosquitto, publisher, topics, request, version):
    """Messages sent while the service is away arrive when it is back, in both versions."""
    service = own_service(mosquitto, database_url, mqtt_version=version, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    assert service.terminate() == 0
    publisher.publish(topics.json, json_event(1, 1), json_event(1, 2))
    publisher.flush()
    service.start()
    wait_for_events(database_url, 2)


class OldBroker(BrokerInFront):
    """Refuses or drops connections that ask for MQTT 5."""

    def __init__(self, port: int, answer: bytes) -> None:
        super().__init__(port)
        self._answer = answer

    def admit(self, first: bytes, client: socket.socket) -> bytes | None:
        # Fixed header (2), "MQTT" with its length (6), then the protocol level.
        if first[8] != 5:
            return first
        client.sendall(self._answer)
        return None


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""], ids=["refused", "closed"])
def test_fall_back_to_311(database_url, mosquitto, publisher, topics, request, answer):
    """A broker that refuses MQTT 5, in words or by closing, is spoken to in 3.1.1."""
    old = OldBroker(mosquitto.port, answer)
    request.addfinalizer(old.close)
    service = own_service(old, database_url, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)


def test_tls_with_client_certificate(database_url, topics, request, tmp_path_factory):
    """The broker is checked against the CA and gets the service's certificate."""
    broker = Mosquitto()
    request.addfinalizer(broker.close)
    make_certificates(broker.directory)
    tls_port = free_port()
    with broker._config.open("a") as config:
        config.write(
            f"listener {tls_port} 127.0.0.1\ncafile {broker.directory}/ca.pem\n"
            f"certfile {broker.directory}/server.pem\nkeyfile {broker.directory}/server.key\n"
            "require_certificate true\n"
        )
    broker.start()
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=f"mqtts://user%40x:p%3Aw@127.0.0.1:{tls_port}",
        mqtt_tls_ca=broker.directory / "ca.pem",
        mqtt_tls_cert=broker.directory / "client.pem",
        mqtt_tls_key=broker.directory / "client.key",
        **topics.settings,
    )
    request.addfinalizer(service.close)
    service.start()
    publisher = Publisher(broker.port)
    request.addfinalizer(publisher.close)
    publisher.publish(topics.json, json_event(1, 1))
    wait_for_events(database_url, 1)


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
    events = [json_event(1, event) for event in range(20_000)]
    sending = threading.Thread(target=publisher.publish, args=(topics.json, *events))
    sending.start()
    wait_until(lambda: door_metric(service, RECEIVED, "mqtt") > 0, what="the first event")
    assert service.terminate() == 0
    stored = count_events(database_url)
    assert 0 < stored < 20_000
    sending.join()
    service.start()
    wait_for_events(database_url, 20_000)
    # What the first process stored it also acknowledged: the second one saw none of it again.
    inserted = "eventindex_ingest_inserted_events_total"
    wait_until(lambda: service.metric(inserted) == 20_000 - stored, what="the rest")
    assert service.metric("eventindex_ingest_duplicate_events_total") == 0


def test_wrong_setting_is_one_line(database_url, request):
    """A setting that cannot be is named in one line, with exit code 2."""
    service = Service("ingest_service", database_url=database_url, mqtt_receive_maximum=0)
    request.addfinalizer(service.close)
    assert service.start(wait="").process.wait(20) == 2
    assert "EVENTINDEX_MQTT_RECEIVE_MAXIMUM" in service.tail()
    assert service.tail().count("\n") == 1
