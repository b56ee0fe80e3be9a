"""Collections beside each other through the real services: completeness and duplicates."""

from __future__ import annotations

import csv
import io
import json
import uuid

import pytest

from eventindex.columns import EventColumns
from eventindex.completeness import Completeness
from eventindex.errors import InvalidRequestError, NotFoundError
from eventindex.results import RawFile


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def store(client, collection, run, numbers, dsid, olt=None):
    """Store events of one file, whose id is that of its dataset; return the acknowledgement."""
    file = RawFile(fuid(dsid), dsid)
    numbers = list(numbers)
    batch = EventColumns([file], run, numbers, [1] * len(numbers), olt, collection=collection)
    (ack,) = client.ingest([batch])
    return ack


@pytest.fixture
def production(client):
    """RAW events of three runs, and a derived collection that has not all of them."""
    client.create_collection("aod", made_from="raw")
    store(client, "raw", 1, range(1000), 10, [number % 2 for number in range(1000)])
    store(client, "raw", 2, range(100), 11)
    store(client, "raw", 3, range(5), 12)
    store(client, "aod", 1, range(1000), 20)
    store(client, "aod", 2, range(90, 110), 21)
    store(client, "aod", 4, [7], 22)


def test_a_production_is_compared_with_its_input(client, production, command):
    """What a collection lacks of another, and has beyond it, is counted by run and by file."""
    found = list(client.compare_collections("raw", "aod"))
    assert found == [
        Completeness(1, "raw", None, None, 1000, 1000, 0),
        Completeness(2, "raw", None, None, 100, 10, 10),
        Completeness(3, "raw", None, None, 5, 0, 0),
        Completeness(4, "raw", None, None, 0, 0, 1),
    ]
    assert [one.state for one in found] == ["complete", "incomplete", "missing", "extra"]
    by_file = list(client.compare_collections("raw", "aod", by="file"))
    assert by_file == [
        Completeness(None, "raw", fuid(10), 10, 1000, 1000, 0),
        Completeness(None, "raw", fuid(11), 11, 100, 10, 0),
        Completeness(None, "raw", fuid(12), 12, 5, 0, 0),
        Completeness(None, "aod", fuid(21), 21, 0, 0, 10),
        Completeness(None, "aod", fuid(22), 22, 0, 0, 1),
    ]
    lines = command("compare", "--expected", "raw", "--collection", "aod", "--format", "csv")
    assert lines.exit_code == 3
    assert list(csv.reader(io.StringIO(lines.stdout))) == [
        ["state", "run_number", "expected", "found", "missing", "extra"],
        ["incomplete", "2", "100", "10", "90", "10"],
        ["missing", "3", "5", "0", "5", "0"],
        ["extra", "4", "0", "0", "0", "1"],
    ]
    assert "1,105 events of raw expected in aod: 95 missing, 11 extra" in lines.stderr
    assert "4 runs: 1 complete, 1 incomplete, 1 missing, 1 extra" in lines.stderr
    files = command("compare", "--expected", "raw", "--collection", "aod", "--by", "file",
                "--with-complete", "--format", "json")  # fmt: skip
    assert [(one["state"], one["fuid_raw"]) for one in json.loads(files.stdout)] == [
        (one.state, one.fuid_raw) for one in by_file
    ]


def test_what_is_expected_can_be_selected(client, production, command):
    """Runs and bits of the expected collection say which of its events another should have."""
    odd = list(client.compare_collections("raw", "aod", runs=(1, 2), olt_all=1))
    assert [(one.run_number, one.expected, one.found, one.extra) for one in odd] == [
        (1, 500, 500, 500),
        (2, 0, 0, 20),
    ]
    by_file = list(client.compare_collections("raw", "aod", run=1, olt_all=1, by="file"))
    assert [(one.collection, one.expected, one.extra) for one in by_file] == [
        ("raw", 500, 0),
        ("aod", 0, 500),
    ]
    assert [one.state for one in client.compare_collections("raw", "aod", run=3)] == ["missing"]
    assert [one.state for one in client.compare_collections("raw", "aod", run=3, by="file")] == [
        "missing"
    ]
    complete = command("compare", "--expected", "raw", "--collection", "aod", "--run", "1")
    assert (complete.exit_code, complete.stdout) == (0, "")
    assert "1 run: 1 complete" in complete.stderr
    nothing = command("compare", "--expected", "aod", "--run-first", "50")
    assert nothing.exit_code == 2
    assert "nothing was compared" in nothing.stderr


def test_a_list_is_compared_with_a_collection(client, production, command, tmp_path):
    """`--collection` says where the files of a list should be."""
    rows = [f"{fuid(20)},1,1000", f"{fuid(21)},2,21"]
    (tmp_path / "list.csv").write_text("\n".join(["fuid_raw,run_number,events", *rows, ""]))
    found = command("compare", "list.csv", "--collection", "aod", "--format", "csv")
    assert found.exit_code == 3
    assert "0 missing, 0 extra, 1 differing" in found.stderr
    assert "2 missing, 2 extra" in command("compare", "list.csv").stderr


def test_comparisons_that_make_no_sense_are_refused(client, production, command, tmp_path):
    """The same collection twice, an unknown one, and options of the other form are named."""
    for wrong, what in (
        (["--expected", "raw"], "'raw' is there twice"),
        (["--expected", "esd"], "esd"),
        (["--expected", "raw", "--collection", "aod", "--dsid", "1"], "--dsid goes with FILE"),
        ([], "give FILE or --expected NAME"),
        ([str(tmp_path / "list.csv"), "--by", "run"], "--by goes with --expected"),
    ):
        (tmp_path / "list.csv").write_text("fuid_raw,events\n")
        refused = command("compare", *wrong)
        assert refused.exit_code == 2, refused.output
        assert what in refused.stderr
    with pytest.raises(NotFoundError, match="run 4 is in aod"):
        list(client.compare_collections("raw", "aod", run=4))
    with pytest.raises(InvalidRequestError, match="esd"):
        list(client.compare_collections("raw", "esd"))
    with pytest.raises(ValueError, match="dataset"):
        client.compare_collections("raw", "aod", by="dataset")


def test_datasets_that_share_events_are_found(client, command):
    """Pairs of datasets with the same events: by conflicts in a collection, by overlap of two."""
    for name in ("sim.a", "sim.b"):
        client.create_collection(name)
    store(client, "raw", 1, range(100), 10)
    assert store(client, "raw", 1, range(90, 120), 11).conflicts == 10
    assert store(client, "raw", 1, range(95, 100), 12).conflicts == 5
    store(client, "raw", 1, range(5), 10, [1] * 5)
    store(client, "sim.a", 1, range(5000), 20)
    store(client, "sim.a", 1, range(5000, 9000), 21)
    store(client, "sim.b", 1, [7, 4999, 5001, 8999, 9000], 30)
    store(client, "sim.b", 2, [7], 30)
    assert client.duplicates() == [
        ("raw", 10, "raw", 11, 10),
        ("raw", 10, "raw", 12, 5),
        ("raw", 11, "raw", 12, 5),
    ]
    between = [("sim.a", 20, "sim.b", 30, 2), ("sim.a", 21, "sim.b", 30, 2)]
    assert client.duplicates(["sim.a", "sim.b"]) == between
    assert client.duplicates(["sim.a", "sim.b"], run=2) == []
    assert client.duplicates(["raw", "sim.a"], datasets=[21, 10]) == []
    assert client.duplicates(["sim.b", "sim.a", "raw"], datasets=["dsid-21", 30]) == [
        ("sim.b", 30, "sim.a", 21, 2)
    ]
    (part,) = client.duplicate_events(datasets=[11, 12])
    assert (part.pair, part.run_number) == (("raw", 11, "raw", 12, 5), 1)
    assert part.event_numbers.tolist() == [95, 96, 97, 98, 99]

    table = command("duplicates", "sim.a", "sim.b")
    assert table.exit_code == 0
    assert "4 events in 2 pairs of datasets" in table.stderr
    listed = command("duplicates", "sim.a", "sim.b", "--events", "--format", "csv")
    assert listed.stdout.splitlines() == [
        "run_number,event_number,collection,dsid_raw,other_collection,other_dsid_raw",
        *(f"1,{event},sim.a,20,sim.b,30" for event in (7, 4999)),
        *(f"1,{event},sim.a,21,sim.b,30" for event in (5001, 8999)),
    ]


def test_duplicates_that_make_no_sense_are_refused(client, command):
    """Unknown collections and datasets, the same twice and three of a pair are named."""
    store(client, "raw", 1, [1], 10)
    for wrong, what in (
        (["raw", "raw"], "'raw' is there twice"),
        (["esd"], "esd"),
        (["--dataset", "10", "--dataset", "10"], "datasets[1]=10 is there twice"),
        (["--dataset", "10"] * 3, "a pair has two"),
    ):
        refused = command("duplicates", *wrong)
        assert refused.exit_code == 2, refused.output
        assert what in refused.stderr
    with pytest.raises(NotFoundError, match="dsid_raw=11"):
        client.duplicates(datasets=[11])


def test_lists_are_those_of_a_collection(client, production, command):
    """Runs, files, datasets, conflicts and gaps are listed of the collection that is asked for."""
    store(client, "aod", 1, [3], 20, [1])

    def rows(*arguments):
        found = command(*arguments, "--collection", "aod", "--format", "json")
        assert found.exit_code == 0, found.stderr
        return json.loads(found.stdout)

    assert [(row["run_number"], row["collection"]) for row in rows("runs")] == [
        (number, "aod") for number in (1, 2, 4)
    ]
    assert [row["fuid_raw"] for row in rows("files")] == [fuid(20), fuid(21), fuid(22)]
    assert [row["dsid_raw"] for row in rows("datasets")] == [20, 21, 22]
    (conflict,) = rows("conflicts")
    assert json.loads(command("conflicts", "--format", "json").stdout) == []
    shown = command("conflicts", "show", str(conflict["conflict_id"]), "--collection", "aod")
    assert shown.exit_code == 0
    gaps = client.run_gaps(2, collection="aod")
    assert (gaps.event_first, gaps.event_last, gaps.missing) == (90, 109, 0)
    with pytest.raises(NotFoundError, match="run 4 is in aod"):
        client.run_gaps(4)
    assert command("runs", "--collection", "esd").exit_code == 2
