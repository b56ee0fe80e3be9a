"""Collections through the real services: client, command line and MQTT's JSON."""

from __future__ import annotations

import csv
import io
import json
import uuid

import numpy as np
import pytest

from eventindex.columns import EventColumns
from eventindex.errors import (
    InvalidRequestError,
    NameTakenError,
    NotFoundError,
    WrongStateError,
)
from eventindex.results import DatasetState, RawFile
from ingest_service.decode.json_events import decode_json
from tests.support.ingest import json_event


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def events(collection, numbers, dsid, run=5):
    file = RawFile(fuid(dsid), dsid)
    return EventColumns([file], run, list(numbers), [1] * len(numbers), collection=collection)


def ingest(client, *batches):
    return list(client.ingest(batches))


def test_events_are_stored_listed_and_found_by_collection(client):
    """Every door of the index answers for the collection that it is asked for."""
    client.create_collection("reco.v1", made_from="raw", comment="first pass")
    client.create_collection("aod.v2", made_from="reco.v1")
    with pytest.raises(NameTakenError):
        client.create_collection("aod.v2")
    acks = ingest(
        client,
        events("raw", range(10), 1),
        events("reco.v1", range(8), 2),
        events("aod.v2", range(0, 8, 2), 3),
        events("aod.v2", [1], 3, run=6),
        events("aod.v3", [1, 2], 4),
        events("reco.v1", [1], 3),
    )
    assert [ack.inserted for ack in acks] == [10, 8, 4, 1, 0, 0]
    assert [ack.rejected for ack in acks] == [0, 0, 0, 0, 2, 1]
    assert acks[4].rejections[0].reason.startswith("unknown_collection: collection 'aod.v3'")
    assert acks[5].rejections[0].reason.startswith("dataset_of_other_collection: dsid_raw=3")

    pairs = [(5, number) for number in range(10)]
    answers = client.lookup(pairs, collection=["raw", "reco.v1", "aod.v2"])
    assert [answer.found for answer in answers.values()] == [10, 8, 4]
    assert {file.fuid_raw for file in answers["aod.v2"].files} == {fuid(3)}
    (streamed,) = client.lookup_stream([pairs], collection="reco.v1")
    assert streamed.found == 8
    assert client.lookup(pairs).found == 10
    assert client.get_event(5, 2, collection="aod.v2").file.fuid_raw == fuid(3)

    assert [one.name for one in client.collections()] == ["raw", "aod.v2", "reco.v1"]
    assert client.collections()[2][1:5] == ("raw", DatasetState.OPEN, 8, 1)
    assert [one.name for one in client.collections_of([6])] == ["aod.v2"]
    assert [row.run_number for row in client.runs(collection="aod.v2")] == [5, 6]
    assert [row.run_number for row in client.runs()] == [5]
    assert [row.file.fuid_raw for row in client.files(dataset=3, run=6)] == [fuid(3)]
    assert {row.collection for row in client.get_file(fuid(3)).runs} == {"aod.v2"}
    assert client.count_events(collection="aod.v2").total == 5
    assert client.count_events(dataset=3).total == 5
    assert client.count_events(run=5).total == 10
    listed = list(client.list_events(collection="reco.v1", run=5))
    assert np.concatenate([one.event_numbers for one in listed]).tolist() == list(range(8))
    assert {check.collection for check in client.verify()} == {"raw", "reco.v1", "aod.v2"}
    assert not any(check.differences for check in client.verify())


def test_questions_across_collections(command, client):
    """Overlap, what another collection lacks, and its bits are answered by client and command."""
    client.create_collection("aod")
    ingest(client, events("raw", range(1000), 1), events("raw", [5], 1, run=6))
    ingest(client, events("aod", range(0, 1200, 3), 2))
    found = client.overlap(["raw", "aod"], by_run=True)
    assert found.events.tolist() == [[1001, 334], [334, 400]]
    assert found.by_run[6].tolist() == [[1, 0], [0, 0]]
    assert client.overlap(["aod"], run_first=6).events.tolist() == [[0]]
    assert client.count_events(also_in=["aod"]).total == 334
    assert client.count_events(not_in=["aod"], by="run").total == 667
    assert client.count_events(collection="aod", not_in=["raw"]).total == 66
    listed = list(client.list_events(run=5, not_in=["aod"]))
    numbers = np.concatenate([one.event_numbers for one in listed]).tolist()
    assert numbers == [number for number in range(1000) if number % 3]
    table = command("overlap", "raw", "aod", "--format", "csv").stdout
    assert table.splitlines() == ["collection,raw,aod", "raw,1001,334", "aod,334,400"]
    assert "1,001" in command("overlap", "raw", "aod").stdout
    assert command("overlap", "raw", "raw").exit_code == 2
    pairs = command("events", "--run", "5", "--not-in", "aod", "--format", "csv").stdout
    assert command("lookup", "-", text=pairs).exit_code == 0
    for wrong, what in (({"also_in": ["aod", "aod"]}, "twice"), ({"olt_from": "esd"}, "esd")):
        with pytest.raises(InvalidRequestError, match=what):
            client.count_events(**wrong)


def test_what_is_wrong_is_named(client):
    """Unknown collections, bad names, foreign datasets and runs elsewhere are named."""
    client.create_collection("sim.a")
    ingest(client, events("sim.a", [1], 9))
    for wrong in ("sim.b", "Sim", "x" * 70, "sim a"):
        with pytest.raises(InvalidRequestError, match="collection="):
            client.lookup([(5, 1)], collection=wrong)
        with pytest.raises(InvalidRequestError, match="name="):
            client.create_collection(wrong if wrong != "sim.b" else "-sim")
    with pytest.raises(InvalidRequestError, match="itself"):
        client.create_collection("sim.c", made_from="sim.c")
    with pytest.raises(InvalidRequestError, match=r"belongs to collection='sim\.a'"):
        client.count_events(dataset=9, collection="raw")
    with pytest.raises(NotFoundError, match=r"run 5 is in sim\.a"):
        client.get_event(5, 1)
    with pytest.raises(NotFoundError, match=r"run 5 is in sim\.a"):
        client.count_events(run=5)
    with pytest.raises(ValueError, match="twice"):
        client.lookup([(5, 1)], collection=["raw", "raw"])
    with pytest.raises(WrongStateError, match="raw"):
        list(client.delete_collection("raw"))


def test_a_bad_collection_of_a_group_leaves_other_lookups_alone(client):
    """On a stream the answers before a request for an unknown collection come first."""
    ingest(client, events("raw", range(10), 1))
    assert client.lookup([(5, 1)]).found == 1
    with pytest.raises(InvalidRequestError, match="nowhere"):
        client.lookup([(5, 1)], collection="nowhere")
    assert client.lookup([(5, 1)]).found == 1


def test_commands(command, client, tmp_path):
    """Collections are made, filled, asked side by side, frozen and deleted by command."""
    assert command("collections", "create", "aod.v2", "--from", "raw").exit_code == 0
    rows = "".join(f"5,{event},0,{{}},{{}}\n" for event in range(4))
    head = "run_number,event_number,olt_result,dsid_raw,fuid_raw\n"
    (tmp_path / "raw.csv").write_text(head + rows.format(*[1, fuid(1)] * 4))
    (tmp_path / "aod.csv").write_text(head + rows.format(*[2, fuid(2)] * 4).split("5,2")[0])
    assert command("load", "raw.csv").exit_code == 0
    assert "2 inserted" in command("load", "aod.csv", "--collection", "aod.v2").stderr
    refused = command("load", "aod.csv", "--collection", "aod.v1")
    assert refused.exit_code == 3
    assert "aod.v1" in refused.stderr

    pairs = "5 1\n5 3\n5 99\n"
    for names in ("raw,aod.v2", "all"):
        found = command("lookup", "-", "--collection", names, "--format", "csv", text=pairs)
        assert found.exit_code == 3
        assert list(csv.reader(io.StringIO(found.stdout))) == [
            ["run_number", "event_number", "raw", "aod.v2"],
            ["5", "1", fuid(1), fuid(2)],
            ["5", "3", fuid(1), ""],
            ["5", "99", "", ""],
        ]
    found = command("lookup", "5", "1", "--collection", "all", "--format", "json")
    assert json.loads(found.stdout)[0]["files"] == {"raw": fuid(1), "aod.v2": fuid(2)}
    assert found.exit_code == 0
    assert fuid(2) in command("lookup", "5", "1", "--collection", "aod.v2").stdout
    assert "aod.v2" in command("lookup", "5", "1", "--collection", "all").stdout.splitlines()[0]
    assert command("lookup", "5", "1", "--collection", "raw,raw").exit_code == 2
    assert command("lookup", "5", "1", "--collection", "nothing").exit_code == 2
    assert "4" in command("counts", "--collection", "raw").stdout

    ingest(client, events("aod.v2", [7], 2, run=60))
    elsewhere = command("lookup", "60:7", "61:7")
    assert (
        "run 61 is not in the index\nrun 60 is not in raw\n"
        "runs of events that were not found are in aod.v2" in elsewhere.stderr
    )

    for name, word in (("aod.v2", "is open"), ("raw", "cannot be deleted")):
        # Without --yes: nobody is asked about what is refused anyway.
        refused = command("collections", "delete", name)
        assert (refused.exit_code, word in refused.stderr) == (1, True)
    assert command("collections", "change", "aod.v2", "--state", "retired").exit_code == 0
    deleted = command("collections", "delete", "aod.v2", "--yes")
    assert "aod.v2 removed: 3 events" in deleted.stderr
    listed = command("collections", "--format", "json")
    assert [one["name"] for one in json.loads(listed.stdout)] == ["raw"]


def test_json_events_name_their_collection():
    """The key is optional; an array may hold events of several; anything but a text is refused."""
    event = json.loads(json_event(1, 2))
    both = [event, {**event, "collection": "aod.v2"}]
    assert decode_json(json.dumps(event).encode()).collection == "raw"
    assert decode_json(json.dumps(both[1]).encode()).collection == "aod.v2"
    assert decode_json(json.dumps(both).encode()).collection == ["raw", "aod.v2"]
    assert decode_json(json.dumps([both[1], both[1]]).encode()).collection == "aod.v2"
    for wrong in (None, 5, ["raw"]):
        refused = decode_json(json.dumps({**event, "collection": wrong}).encode())
        assert [(one.position, str(one.reason)) for one in refused.rejections] == [
            (0, "wrong_type")
        ]
    twice = json.dumps(both[1])[:-1] + ', "collection": "raw"}'
    with pytest.raises(ValueError, match="collection"):
        decode_json(twice.encode())
