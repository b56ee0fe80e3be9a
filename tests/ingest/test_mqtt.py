"""The MQTT door, with a real broker, a real database and the service as a process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from eventindex.v1 import event_pb2
from tests.conftest import query
from tests.support.ingest import (
    FUID,
    BrokerInFront,
    Publisher,
    check_balance,
    count_events,
    json_event,
    make_certificates,
    wait_for_events,
)
from tests.support.ingest_mqtt import letters, own_service
from tests.support.ports import free_port
from tests.support.processes import Mosquitto, Service, wait_until

DUMP = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes().splitlines()


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


def test_wrong_setting_is_one_line(database_url, request):
    """A setting that cannot be is named in one line, with exit code 2."""
    service = Service("ingest_service", database_url=database_url, mqtt_receive_maximum=0)
    request.addfinalizer(service.close)
    assert service.start(wait="").process.wait(20) == 2
    assert "EVENTINDEX_MQTT_RECEIVE_MAXIMUM" in service.tail()
    assert service.tail().count("\n") == 1
