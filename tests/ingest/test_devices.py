"""Telescopes as their groups run them: a device's program, wrong topics, silent detectors."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import eventindex
from event_store.telescope.heard import Heard
from ingest_service.decode.topics import Topics
from ingest_service.detectors import Detectors
from service_kit.settings import Settings
from tests.conftest import query
from tests.support.admin_calls import cosmic_line
from tests.support.ingest import Publisher, count_events, wait_for_events
from tests.support.ingest_mqtt import letters, own_service
from tests.support.processes import Mosquitto, wait_until

DYNSEC = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
PROGRAM = Path(__file__).parents[2] / "examples" / "micropython" / "telescope.py"


@pytest.fixture
def device(monkeypatch):
    """The program of a device, with its MQTT client."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "support"))
    spec = importlib.util.spec_from_file_location("telescope", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("umqtt", "umqtt.simple"):
        sys.modules.pop(name, None)


def test_the_program_of_a_device_loses_nothing(database_url, request, device, monkeypatch):
    """Events of a device reach the index, those too that it took while the broker was away."""
    broker = Mosquitto()
    broker.start()
    request.addfinalizer(broker.close)
    service = own_service(broker, database_url, mqtt_reconnect_max_s=1)
    request.addfinalizer(service.close)
    service.start()
    sender = device.Sender("127.0.0.1", "roof-2", broker.port)
    for event in (1, 2):
        sender.put(device.record(9_000_001, event, 5, {"0": [57], "1": [61, 62]}))
    assert sender.send()
    broker.stop()
    sender.put(device.record(9_000_001, 3, 0, {}))
    assert not sender.send()
    broker.start()
    wait_until(sender.send, what="the connection of the device")
    wait_for_events(database_url, 3)
    stored = (
        "SELECT detector_id, trigger_bits, clock_problem FROM cosmic_event ORDER BY event_number"
    )
    assert query(database_url, stored) == [("roof-2", 5, ""), ("roof-2", 5, ""), ("roof-2", 0, "")]
    monkeypatch.setattr(device, "BUFFERED_MAX", 2)
    for event in (4, 5, 6):
        sender.put({"EventNumber": event})
    assert (len(sender.waiting), sender.given_up, '"EventNumber": 5' in sender.waiting[0]) == (
        2,
        1,
        True,
    )


def test_a_message_on_a_wrong_topic_is_seen(database_url, mosquitto, publisher, topics, request):
    """It is a dead letter that names the topics there are; too many of them are counted alone."""
    service = own_service(mosquitto, database_url, wrong_topic_letters_max=3, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    wrong = [f"{topics.id}/cosmic/7/events", f"{topics.id}/cosmic/7", f"{topics.id}/json/daq/x"]
    for topic in (*wrong, f"{topics.id}/batch"):
        publisher.publish(topic, b"{}")
    publisher.publish(topics.cosmic("7"), cosmic_line(1))
    wait_for_events(database_url, 1)
    assert letters(database_url) == [(topic, b"{}", "bad_topic") for topic in sorted(wrong)]
    details = [row[0] for row in query(database_url, "SELECT detail FROM dead_letter ORDER BY 1")]
    assert any(f"there is {topics.id}/cosmic/<detector>/event" in detail for detail in details)
    refused = 'eventindex_ingest_rejected_events_total{door="mqtt",reason="bad_topic"} 4.0'
    assert refused in service.page("/metrics")[1]
    assert count_events(database_url) == 1


def test_what_is_subscribed_to():
    """All below the prefixes, nothing twice, and never what others publish beside them."""
    made = Topics(Settings(_env_file=None))
    assert made.wide_filters == ["cosmic/#", "eventindex/v1/#"]
    assert made.filters == ["eventindex/v1/batch/+", "eventindex/v1/json/+", "cosmic/+/event"]
    flat = Settings(
        _env_file=None, mqtt_topic_batch="a", mqtt_topic_json="b/c", mqtt_share_group="g"
    )
    assert Topics(flat).wide_filters == ["$share/g/a/#", "$share/g/b/c/#", "$share/g/cosmic/#"]
    inside = Settings(
        _env_file=None, mqtt_topic_batch="x/batch/v1", mqtt_topic_json="x/batch/v1/json"
    )
    assert Topics(inside).wide_filters == ["cosmic/#", "x/batch/#"]


@pytest.mark.skipif(not DYNSEC.exists(), reason="this Mosquitto has no dynamic security")
def test_a_broker_that_allows_the_topics_alone(database_url, request, topics):
    """Where the wide subscription is refused the service takes its topics, and says so."""
    names = [f"{topics.id}/{end}" for end in ("batch/+", "json/+", "cosmic/+/event")]
    rules = [{"acltype": "subscribeLiteral", "topic": name, "allow": True} for name in names]
    all_may = ("publishClientSend", "publishClientReceive", "unsubscribe")
    config = {
        "defaultACLAccess": {"subscribe": False, **dict.fromkeys(all_may, True)},
        "clients": [],
        "groups": [{"groupname": "all", "roles": [{"rolename": "ingest"}]}],
        "anonymousGroup": "all",
        "roles": [{"rolename": "ingest", "acls": rules}],
    }
    broker = Mosquitto()
    rules_file = broker.directory / "rules.json"
    rules_file.write_text(json.dumps(config))
    rules_file.chmod(0o644)
    with (broker.directory / "mosquitto.conf").open("a") as file:
        file.write(f"plugin {DYNSEC}\nplugin_opt_config_file {rules_file}\n")
    broker.start()
    request.addfinalizer(broker.close)
    service = own_service(broker, database_url, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    assert (
        "messages on wrong topics will not be seen: the broker refuses" in service.log.read_text()
    )
    publisher = Publisher(broker.port)
    publisher.publish(topics.cosmic("7"), cosmic_line(1))
    wait_for_events(database_url, 1)
    publisher.close()


def test_a_detector_that_is_silent_for_longer_than_ever():
    """Only a silence above the longest, and above the least that counts, is told; it survives."""
    now = [0.0]
    detectors = Detectors(60, lambda: now[0])
    for now[0] in (10.0, 20.0, 120.0):
        detectors.heard({"7"})
    detectors.heard({"new"})
    assert [each.detector_id for each in detectors.now()] == ["7", "new"]
    for now[0], silent in ((219.0, False), (221.0, True), (10_000_000.0, None)):
        found = {each.detector_id: each.silent for each in detectors.now()}
        assert found.get("7") is silent
        assert found.get("new") in (False, None)
    again = Detectors(60, lambda: now[0])
    again.merge(detectors.take_changed())
    again.merge([Heard("7", now[0] - 5, 30.0)])
    (only,) = again.now()
    assert (only.detector_id, only.longest_silence_s, only.silent) == ("7", 100.0, False)


def test_silence_is_told_by_status_and_metrics(database_url, mosquitto, publisher, topics, request):
    """Whoever watches learns that a detector says nothing; a service that starts again knows."""
    service = own_service(mosquitto, database_url, detector_silence_min_s=0.5, **topics.settings)
    request.addfinalizer(service.close)
    service.start()
    for event in (1, 2):
        publisher.publish(topics.cosmic("7"), cosmic_line(event))
        wait_for_events(database_url, event)
    with eventindex.connect(ingest_address=service.address) as index:
        wait_until(lambda: [one.silent for one in index.detectors()] == [True], what="silence")
        assert index.detectors()[0].detector_id == "7"
    silent = "eventindex_silent_detectors"
    wait_until(lambda: service.metric(silent) == 1, 15, what="the metric")
    assert query(database_url, "SELECT detector_id FROM detector_heard") == [("7",)]
