"""Telescopes: each has a collection of its own, through a real broker and the services.

What was stored before they had one stays in 'raw', and goes on there.
"""

from __future__ import annotations

import json

import pytest

import eventindex
from eventindex.errors import InvalidRequestError, NotFoundError
from eventindex.results import DatasetState
from tests.conftest import execute, query
from tests.support.command import run
from tests.support.ingest import wait_for_events
from tests.support.processes import Service, wait_until

OUTCOMES = ("inserted", "duplicate", "conflict", "rejected")


def line(event: int, run: int = 5, **fields: object) -> str:
    """A record as a telescope sends it."""
    return json.dumps({"RunNumber": run, "EventNumber": event, "TriggerBits": 3, **fields})


@pytest.fixture
def index(database_url):
    """The index service on the same database."""
    service = Service("index_service", database_url=database_url)
    yield service.start()
    service.close()


@pytest.fixture
def client(index, service):
    with eventindex.connect(index.address, ingest_address=service.address) as client:
        yield client


@pytest.fixture
def command(index, service, monkeypatch, tmp_path):
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", index.address)
    monkeypatch.setenv("EVENTINDEX_INGEST_ADDRESS", service.address)
    monkeypatch.chdir(tmp_path)
    return run


def outcomes(service: Service) -> list[float]:
    return [service.metric(f"eventindex_ingest_{name}_events_total") for name in OUTCOMES]


def test_two_telescopes_use_one_run_number(service, publisher, topics, client, command):
    """Their events are no conflicts; lookups by detector find each, lists show the telescope."""
    for detector in ("7", "roof,2"):
        publisher.publish(topics.cosmic(detector), line(1), line(2), line(3, CosmicBlock=4))
    wait_until(lambda: outcomes(service) == [6, 0, 0, 0], what="six events")
    publisher.publish(topics.cosmic("7"), line(1), line(2, TriggerBits=9))
    wait_until(lambda: outcomes(service) == [6, 1, 1, 0], what="a duplicate and a conflict")

    pairs = [(5, 1), (5, 2), (5, 3), (5, 4)]
    seven, roof = (client.lookup(pairs, detector=one) for one in (7, "roof,2"))
    assert (seven.found, roof.found) == (3, 3)
    assert not set(seven.fuids()[:3]) & set(roof.fuids()[:3])
    assert client.get_event(5, 1, detector="7").file.fuid_raw == seven.fuids()[0]
    assert [row.collection for row in client.runs(detector_id="7")] == ["cosmic.7"]
    assert client.count_events(detector=7).total == 3
    assert {row.file.fuid_raw for row in client.files(detector=7)} == set(seven.fuids()[:3])
    assert len(list(client.conflicts(detector=7))) == 1
    assert client.run_gaps(5, detector=7).missing == 0
    telescopes = {one.name: one.detector_id for one in client.collections()}
    assert telescopes == {"raw": "", "cosmic.7": "7", "cosmic.roof,2": "roof,2"}
    assert client.count_cosmic_events(by="run").counts[0].events == 6

    plain = client.lookup(pairs)
    assert plain.found == 0
    assert plain.other_collections == ("cosmic.7", "cosmic.roof,2")
    assert "cosmic.7" in repr(plain)
    with pytest.raises(NotFoundError, match=r"run 5 is in cosmic\.7"):
        client.get_event(5, 1)
    told = command("lookup", "5", "1")
    assert told.exit_code == 3
    assert "cosmic.7 (--detector 7), cosmic.roof,2 (--detector roof,2)" in told.stderr
    found = command("lookup", "5", "3", "--detector", "roof,2")
    assert roof.fuids()[2] in found.stdout
    assert "3" in command("counts", "--detector", "7").stdout
    assert seven.fuids()[0] in command("files", "--detector", "7").stdout
    assert "telescope roof,2" in command("collections").stdout
    assert command("runs", "--detector", "7").stdout.splitlines()[1].split()[:2] == ["5", "3"]
    shown = command("conflicts", "--detector", "7", "--format", "json").stdout
    assert (
        "cosmic.7"
        in command(
            "conflicts", "show", str(json.loads(shown)[0]["conflict_id"]), "--format", "json"
        ).stdout
    )
    for wrong in (("--collection", "raw2"), ("--detector", "9")):
        assert command("lookup", "5", "1", *wrong).exit_code == 2
    both = ("--collection", "cosmic.7", "--detector", "7")
    for name in ("lookup", "counts", "files", "conflicts"):
        arguments = ("5", "1") if name == "lookup" else ()
        assert command(name, *arguments, *both).exit_code == 2
    with pytest.raises(ValueError, match="not both"):
        client.lookup(pairs, collection="aod", detector=7)


def test_what_was_begun_in_raw_goes_on_there(service, publisher, topics, client, database_url):
    """Runs of before have their datasets in 'raw': nothing of them is refused or moved."""
    execute(
        database_url,
        "INSERT INTO dataset (dsid_raw, name) VALUES (1073741824, 'cosmic.7.5'), "
        "(1073741825, 'cosmic.8.5')",
    )
    publisher.publish(topics.cosmic("7"), line(1), line(2), line(1, run=6))
    publisher.publish(topics.cosmic("8"), line(2), line(3))
    wait_until(lambda: sum(outcomes(service)) == 5, what="five events")
    # As before, two telescopes that share a run of 'raw' are in conflict.
    assert outcomes(service) == [4, 0, 1, 0]
    assert client.lookup([(5, 1), (5, 2), (5, 3), (6, 1)]).found == 3
    assert client.lookup([(6, 1)], detector=7).found == 1
    assert client.lookup([(5, 1)], detector=7).other_collections == ("raw",)
    with pytest.raises(InvalidRequestError, match=r"cosmic\.8.*'raw'"):
        client.lookup([(5, 3)], detector=8)
    rows = [(row.run_number, row.collection) for row in client.runs(detector_id="7")]
    assert rows == [(5, "raw"), (6, "cosmic.7")]
    assert [row.collection for row in client.runs(detector_id="8")] == ["raw"]
    assert client.count_cosmic_events(by="run").total == 5
    assert [e.event_number for e in client.cosmic_events(detector_id="7", run=5)] == [1, 2]


def test_a_frozen_or_deleted_collection_of_a_telescope(
    service, publisher, topics, client, database_url
):
    """Frozen it takes no events; deleted, its records go too and the next event makes it again."""
    publisher.publish(topics.cosmic("7"), line(1), line(9000))
    publisher.publish(topics.cosmic("8"), line(1))
    wait_for_events(database_url, 3)
    client.update_collection("cosmic.7", state=DatasetState.FROZEN)
    publisher.publish(topics.cosmic("7"), line(2), line(1))
    wait_until(lambda: outcomes(service) == [3, 1, 0, 1], what="a refusal and a duplicate")
    letters = query(database_url, "SELECT reason, detail FROM dead_letter")
    assert letters[0][0] == "closed_collection"
    assert "'cosmic.7'" in letters[0][1]
    for _ in client.delete_collection("cosmic.7"):
        pass
    assert query(database_url, "SELECT detector_id FROM cosmic_event") == [("8",)]
    publisher.publish(topics.cosmic("7"), line(4))
    wait_until(lambda: outcomes(service)[0] == 4, what="an event of the new collection")
    assert client.lookup([(5, 4), (5, 1)], detector=7).found == 1


def test_no_more_collections_than_there_may_be(mosquitto, topics, publisher, database_url):
    """A telescope beyond the limit has dead letters that name its collection."""
    service = Service(
        "ingest_service",
        database_url=database_url,
        mqtt_url=mosquitto.url,
        collections_max=2,
        **topics.settings,
    ).start()
    try:
        publisher.publish(topics.cosmic("7"), line(1))
        wait_until(lambda: outcomes(service)[0] == 1, what="an event")
        publisher.publish(topics.cosmic("8"), line(1))
        publisher.publish(topics.cosmic("7"), line(2, run=6))
        wait_until(lambda: outcomes(service) == [2, 0, 0, 1], what="a refusal")
        letters = query(database_url, "SELECT reason, detail FROM dead_letter")
        assert letters[0][0] == "too_many_collections"
        assert "'cosmic.8'" in letters[0][1]
        assert query(database_url, "SELECT count(*) FROM dataset") == [(2,)]
    finally:
        service.close()
