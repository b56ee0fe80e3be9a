"""Collections over REST: which there are, what they share, and the calls that take one."""

from __future__ import annotations

import uuid

import pytest

import eventindex
from eventindex.columns import EventColumns
from eventindex.results import RawFile
from tests.support.gateway import API, lines_of


def fuid(number: int) -> str:
    return str(uuid.UUID(int=number))


@pytest.fixture(scope="module")
def made(stack):
    """A derived collection of the sample runs, and a simulated one with the same run numbers."""
    with eventindex.connect(stack.index.address, ingest_address=stack.ingest.address) as client:
        client.create_collection("aod", made_from="raw")
        client.create_collection("sim")
        for name, run, numbers, number in (
            ("aod", 1, range(0, 30, 3), 500),
            ("aod", 2, range(5), 501),
            ("sim", 1, range(10), 502),
            ("sim", 77, range(4), 502),
        ):
            batch = EventColumns(
                [RawFile(fuid(number), number)], run, list(numbers), [1] * len(numbers),
                collection=name,
            )  # fmt: skip
            assert sum(ack.inserted for ack in client.ingest([batch])) == len(numbers)


@pytest.fixture
def get(http, made):
    """The document that a call answers."""

    def ask(path, status=200, **parameters):
        answer = http.get(f"{API}/{path}", params=parameters)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def test_collections_are_listed_and_compared(get):
    """All of them or those that hold a run; the matrix of events in both, in all and by run."""
    listed = get("collections")["collections"]
    assert [(one["name"], one["made_from"], one["events"], one["runs"]) for one in listed] == [
        ("raw", "", 91, 4),
        ("aod", "raw", 15, 2),
        ("cosmic.0", "", 3, 1),
        ("sim", "", 14, 2),
    ]
    assert [one["detector_id"] for one in listed] == ["", "", "0", ""]
    assert [one["name"] for one in get("collections", run=[2, 77])["collections"]] == [
        "raw",
        "aod",
        "sim",
    ]
    names = ["raw", "aod", "sim"]
    found = get("collections/overlap", collection=names)
    assert (found["collections"], found["runs"]) == (names, [])
    assert found["events"] == [[91, 15, 10], [15, 15, 4], [10, 4, 14]]
    by_run = get("collections/overlap", collection=names, by_run=True, run_last=1)
    assert by_run["runs"] == [{"run_number": 1, "events": [[30, 10, 10], [10, 10, 4], [10, 4, 10]]}]
    assert by_run["events"] == by_run["runs"][0]["events"]


@pytest.mark.parametrize(
    ("path", "parameters", "word"),
    [
        ("collections/overlap", {"collection": ["raw", "raw"]}, "twice"),
        ("collections/overlap", {"collection": ["raw", "esd"]}, "esd"),
        ("collections/overlap", {}, "collection"),
        ("collections/overlap", {"collection": "raw", "run_first": 2, "run_last": 1}, "reversed"),
        ("counts", {"also_in": ["aod", "aod"]}, "twice"),
        ("counts", {"not_in": "esd"}, "esd"),
        ("counts", {"olt_from": "Esd"}, "Esd"),
        ("runs", {"collection": "esd"}, "esd"),
        ("lookup-none", {}, ""),
        ("events/1/1", {"collection": "aod", "detector": "0"}, "not both"),
        (f"files/{fuid(500)}", {"related_collection": "raw"}, "with_parents"),
        (f"files/{fuid(500)}", {"with_parents": True, "related_collection": "sim"}, "sim"),
    ],
)
def test_what_is_wrong_is_named(get, path, parameters, word):
    """Unknown names, the same twice, and what does not go together are 400 and named."""
    status = 404 if path == "lookup-none" else 400
    assert word in str(get(path, status, **parameters))


def test_calls_of_a_collection(get, http):
    """Events, counts, runs, files and lookups are those of the collection that is asked for."""
    assert get("counts", collection="aod", by="run")["total"] == 15
    assert get("counts", run=1, not_in="aod")["total"] == 20
    assert get("counts", run=1, also_in=["aod", "sim"])["total"] == 4
    # The events of the samples have their number as mask, those of aod have none.
    assert get("counts", collection="aod", by="bit")["counts"] == []
    odd = get("counts", collection="aod", run=1, olt_all=1, olt_from="raw")
    assert odd["total"] == 5
    missing = lines_of(http.get(f"{API}/events", params={"run": 2, "not_in": "aod"}))
    assert [event["event_number"] for event in missing] == list(range(5, 30))
    assert get("runs/1", collection="sim")["events"] == 10
    assert [run["run_number"] for run in get("runs", collection="sim")["runs"]] == [1, 77]
    assert [run["run_number"] for run in get("runs", detector="0")["runs"]] == [12345]
    assert get("events/12345/4917", detector="0")["olt_result"] == 71
    body = {"pairs": [[77, 1], [12345, 4917]]}
    plain = http.post(f"{API}/lookup", json=body).json()
    assert (plain["found"], plain["other_collections"]) == (0, ["cosmic.0", "sim"])
    assert http.post(f"{API}/lookup", params={"collection": "sim"}, json=body).json()["found"] == 1
    assert "is in sim" in get("events/77/1", 404, with_file_names=True)["detail"]
    for path, holder in (("events/77/1", "sim"), ("runs/77", "sim"), ("runs/12345", "cosmic.0")):
        assert f"is in {holder}" in get(path, 404)["detail"]


def test_a_file_has_parents_and_children(get):
    """The files that a file's events came from and went into, where they are asked for."""
    plain = get(f"files/{fuid(500)}")
    assert (plain["parents"], plain["children"]) == ([], [])
    found = get(f"files/{fuid(500)}", with_parents=True, with_children=True)
    assert found["children"] == []
    assert {(one["collection"], one["events"]) for one in found["parents"]} == {
        ("raw", 4),
        ("raw", 3),
    }
    assert sum(one["events"] for one in found["parents"]) == 10
    parent = found["parents"][0]["fuid_raw"]
    children = get(f"files/{parent}", with_children=True, related_collection="aod")["children"]
    assert [(one["fuid_raw"], one["events"]) for one in children] == [
        (fuid(501), 5),
        (fuid(500), 4),
    ]
