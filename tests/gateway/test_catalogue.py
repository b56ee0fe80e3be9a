"""Lists, counts and single things of the index over REST."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

import eventindex
from eventindex.cli import main
from tests.conftest import execute
from tests.support.gateway import (
    API,
    FILES,
    OLT_MAX,
    RUN_MAX,
    lines_of,
)


def test_one_event(http):
    """An event comes with all its fields, and numbers of 64 bits whole."""
    event = http.get(f"{API}/events/{RUN_MAX}/{RUN_MAX}").json()
    assert event == {
        "run_number": RUN_MAX,
        "event_number": RUN_MAX,
        "olt_result": OLT_MAX,
        "dsid_raw": 8,
        "fuid_raw": FILES[3],
        "dataset_state": "open",
        **dict.fromkeys(("name", "bytes", "checksum", "url")),
    }
    missing = http.get(f"{API}/events/1/777")
    assert (missing.status_code, missing.json()["type"]) == (
        404,
        "urn:eventindex:problem:not-found",
    )
    assert "run 1 has no event 777" in missing.json()["detail"]


def test_events_of_a_selection(http):
    """A selection comes in order as NDJSON and CSV, in part behind an event."""
    query = {"run_first": 1, "run_last": 2, "olt_all": 3, "event_last": 11}
    found = lines_of(http.get(f"{API}/events", params=query))
    assert [(e["run_number"], e["event_number"]) for e in found] == [
        (run, event) for run in (1, 2) for event in (3, 7, 11)
    ]
    listed = {"runs": "1-2,77", "olt_all": 3, "event_last": 11}
    assert lines_of(http.get(f"{API}/events", params=listed)) == found
    after = {"after_run_number": 1, "after_event_number": 7, "limit": 2, "format": "csv"}
    rows = list(csv.DictReader(io.StringIO(http.get(f"{API}/events", params=query | after).text)))
    assert [(row["run_number"], row["event_number"]) for row in rows] == [("1", "11"), ("2", "3")]
    assert rows[0]["fuid_raw"] == FILES[1]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("events/1/-1", "event_number", "-1"),
        (f"events/1/{2**63}", "event_number", str(2**63)),
        ("events/one/1", "run_number", "one"),
        ("events?limits=5", "limits", "5"),
        ("events?run_first=5&run_last=4", "run_last", "4"),
        ("events?runs=7-5", "runs", "7-5"),
        ("events?runs=7,", "runs", "7,"),
        ("events?file=abc", "file", "abc"),
        ("events?after_run_number=1", "after_run_number", "None"),
        ("events?olt_all=3&olt_none=2", "olt_none", "2"),
        ("counts?by=colour", "by", "colour"),
        ("runs?page_size=0", "page_size", "0"),
        ("runs?order_by=colour", "order_by", "colour"),
        ("cosmic/events?time_first=yesterday", "time_first", "yesterday"),
        ("cosmic/events?time_last=0.5", "time_last", "0.5"),
        ("datasets/2147483648", "dsid_raw", "2147483648"),
        ("jobs/1", "job_id", "1"),
    ],
)
def test_a_wrong_parameter_is_named(http, path, field, value):
    """400 with a problem document that names the field and the value."""
    answer = http.get(f"{API}/{path}")
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert (error["field"], error["value"]) == (field, value)


def test_counts_and_overlaps(http):
    """Events are counted in all, by run, and by pairs of bits."""
    counts = http.get(f"{API}/counts?by=run&run_last=3").json()
    assert counts["total"] == 90
    assert [(c["run_number"], c["events"]) for c in counts["counts"]] == [(1, 30), (2, 30), (3, 30)]
    overlaps = http.get(f"{API}/overlaps?run=1").json()["overlaps"]
    found = {(o["olt_bit"], o["other_olt_bit"]): o["events"] for o in overlaps}
    assert found[0, 1] == sum(e & 3 == 3 for e in range(30))


def test_lists_link_to_their_next_page(http):
    """Following `next` gives every run once; the Link header says the same."""
    found, address = [], f"{API}/runs?page_size=2&order_by=run_number%20desc"
    while address:
        answer = http.get(address)
        found += [run["run_number"] for run in answer.json()["runs"]]
        address = answer.json()["next"]
        assert answer.links.get("next", {}).get("url") == address
    assert found == [RUN_MAX, 3, 2, 1]


def test_catalogue(http):
    """Runs, datasets, files, a file's events and conflicts say what was stored."""
    assert http.get(f"{API}/runs/2").json()["events"] == 30
    assert http.get(f"{API}/runs/4").status_code == 404
    assert http.get(f"{API}/datasets/7").json()["name"] == "dsid-7"
    names = [d["name"] for d in http.get(f"{API}/datasets?state=open").json()["datasets"]]
    assert names[:2] == ["dsid-7", "dsid-8"]
    assert [f["events"] for f in http.get(f"{API}/files?run=2").json()["files"]] == [10, 10, 10]
    file = http.get(f"{API}/files/{FILES[1].upper()}").json()
    assert [run["run_number"] for run in file["runs"]] == [1, 2, 3]
    events = http.get(f"{API}/files/{FILES[1]}/events?format=csv")
    assert len(events.text.splitlines()) == 31
    assert events.headers["content-disposition"] == f'attachment; filename="{FILES[1]}.csv"'
    unknown = http.get(f"{API}/files/{FILES[1][:-1]}f/events?format=csv")
    assert unknown.status_code == 404
    (conflict,) = http.get(f"{API}/conflicts?run=1").json()["conflicts"]
    assert (conflict["stored"]["fuid_raw"], conflict["offered"]["fuid_raw"]) == tuple(FILES[:2])


def test_telescope_events(http):
    """Records come whole, are counted, and their RAW file is read back."""
    records = lines_of(http.get(f"{API}/cosmic/events?run=12345"))
    assert [r["run_number"] for r in records] == [12345] * 3
    assert json.loads(records[0]["payload"])["EventNumber"] == records[0]["event_number"]
    assert http.get(f"{API}/cosmic/counts?by=run").json()["counts"][0]["events"] == 3
    content = http.get(f"{API}/files/{records[0]['fuid_raw']}/content")
    assert content.headers["content-type"] == "application/x-ndjson"
    assert records[0]["event_number"] in [line["EventNumber"] for line in lines_of(content)]


def test_dead_letters_are_read_replayed_and_discarded(stack, http):
    """A refused message is shown with its payload; replay and discard need a header."""
    execute(
        stack.url,
        "INSERT INTO dead_letter (topic, payload, truncated, reason, detail, source) "
        "SELECT 'cosmic/0/event', 'x'::bytea, false, 'malformed', 'no JSON', 'test' "
        "FROM generate_series(1, 2)",
    )
    letters = http.get(f"{API}/dead-letters?reason=malformed").json()["dead_letters"]
    first, second = (letter["dead_letter_id"] for letter in letters)
    assert http.get(f"{API}/dead-letters/{first}").json()["payload_base64"] == "eA=="
    refused = http.post(f"{API}/dead-letters/{first}/replay")
    assert (refused.status_code, refused.json()["type"][-10:]) == (403, "cross-site")
    own = {"EventIndex-Request": "test"}
    outcome = http.post(f"{API}/dead-letters/{first}/replay", headers=own)
    assert (outcome.status_code, outcome.json()["rejected"]) == (200, 1)
    assert http.delete(f"{API}/dead-letters/{second}").status_code == 204
    assert http.delete(f"{API}/dead-letters/{second}").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["events?dataset=999", "counts?dataset=999", "overlaps?dataset=999", "files?dataset=999",
     "datasets/999", "events?dataset=999&run=1"],
)  # fmt: skip
def test_a_dataset_that_is_not_there_is_not_found(http, path):
    """404 by its own address and as a filter alike."""
    answer = http.get(f"{API}/{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:eventindex:problem:not-found")
    assert "999" in answer.json()["detail"]


@pytest.mark.parametrize(
    "arguments",
    [["events"], ["counts"], ["counts", "--by", "overlap"], ["files", "list"]],
    ids=" ".join,
)
@pytest.mark.parametrize("dataset", ["999", "nobody"])
def test_commands_say_that_a_dataset_is_not_there(stack, monkeypatch, arguments, dataset):
    """By number and by name: exit code 1 and one line that names it."""
    monkeypatch.setenv("EVENTINDEX_INDEX_ADDRESS", stack.index.address)
    ended = CliRunner().invoke(main, [*arguments, "--dataset", dataset])
    assert ended.exit_code == 1, ended.output
    assert len(ended.stderr.splitlines()) == 1
    assert dataset in ended.stderr
    assert "is not in the index" in ended.stderr


@pytest.mark.parametrize("what", ["runs", "files", "datasets", "conflicts", "runs/1/gaps"])
def test_lists_of_a_collection(http, what):
    """Lists take a collection; one that is not there is named, and `raw` is the default."""
    wrong = http.get(f"{API}/{what}", params={"collection": "aod.v9"})
    assert (wrong.status_code, "aod.v9" in wrong.json()["detail"]) == (400, True)
    if what != "datasets":
        raw = http.get(f"{API}/{what}", params={"collection": "raw"})
        assert raw.json() | {"next": None} == http.get(f"{API}/{what}").json() | {"next": None}


def test_criteria_are_named_as_on_the_command_line(http, stack):
    """A bit, a mask or a name, several with commas; what is none of these is refused."""
    with eventindex.connect(stack.index.address, ingest_address=stack.ingest.address) as client:
        client.set_criterion(4, "fifth", run_first=10**9)
        expected = client.count_events(run=1, olt_all=["fifth", 0]).total
        assert client.count_events(run=1, olt_all="fifth,0x1").total == expected == 7
        with pytest.raises(eventindex.NotFoundError, match="no criterion is named 'nope'"):
            client.count_events(olt_any="nope")
        with pytest.raises(ValueError, match="bit 64 is above 63"):
            client.count_events(olt_any=[64])
        client.delete_criterion(4, run_first=10**9)
        client.set_criterion(4, "fifth", run_first=10**9)
    counted = f"{API}/counts"
    for text in ("fifth,0", "0x11", "4,0x1"):
        assert http.get(counted, params={"run": 1, "all": text}).json()["total"] == expected
    both = {"run": 1, "all": "0", "olt_all": 16, "none": "1", "any": "2,3"}
    masks = {"run": 1, "olt_all": 17, "olt_none": 2, "olt_any": 12}
    assert http.get(counted, params=both).json() == http.get(counted, params=masks).json()
    for params, status, words in (
        ({"all": "64"}, 400, "all: bit 64 is above 63"),
        ({"any": "0xg"}, 400, "any: 0xg is not a mask"),
        ({"none": "1,,2"}, 400, "a criterion is empty"),
        ({"all": "nope"}, 404, "no criterion is named 'nope'"),
        ({"dataset": "2147483648"}, 400, "dataset is 2147483648"),
        ({"dataset": "nope"}, 404, "dataset 'nope' is not in the index"),
        ({"collection": "nope"}, 400, "nope"),
    ):
        answer = http.get(counted, params=params)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    named = http.get(counted, params={"dataset": "dsid-7"}).json()
    assert named == http.get(counted, params={"dataset": 7}).json()


def test_what_the_index_holds(http):
    """The totals of the start page."""
    found = http.get(f"{API}/status").json()
    assert found["runs"] <= found["files"] <= found["events"]
    assert found["collections"] >= 1
    assert found["last_seen"].startswith("20")
