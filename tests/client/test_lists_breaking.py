"""The client's lists and changes over a server that breaks when it is told to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import eventindex
from eventindex import DatasetState
from tests.support.client import fuid, pairs
from tests.support.index import CatalogueServer, cut_after


@pytest.fixture
def server() -> Iterator[CatalogueServer]:
    server = CatalogueServer()
    yield server
    server.stop()


@pytest.fixture
def breaking(server: CatalogueServer) -> Iterator[eventindex.Client]:
    """A client of the server that breaks when it is told to."""
    with eventindex.connect(
        server.address, ingest_address=server.address, timeout=10, retry_seconds_max=5
    ) as client:
        yield client


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_a_listing_goes_on_behind_the_last_event(
    server: CatalogueServer, breaking: eventindex.Client, answers: int
):
    """A server that goes away in a listing is asked for the rest: no event twice, none left out."""
    server.index.harm = cut_after(answers, calls=2)
    assert pairs(breaking.list_events()) == server.index.events
    assert len(server.index.requests) == (3 if answers < 3 else 2)


def test_a_limited_listing_stays_limited_when_it_breaks(
    server: CatalogueServer, breaking: eventindex.Client
):
    """events_max counts what came before the break."""
    server.index.harm = cut_after(1)
    assert pairs(breaking.list_events(events_max=5, after=(1, 1))) == server.index.events[1:6]
    asked = [
        (r.after_run_number, r.after_event_number, r.events_max) for r in server.index.requests
    ]
    assert asked == [(1, 1, 5), (1, 4, 2)]


def test_a_listing_that_stays_broken_is_an_error(server: CatalogueServer):
    """A server that is away for too long ends the listing in an error, never in a short list."""

    def harm(call: int, sent: int, context: Any) -> None:
        cut_after(1 if call == 1 else 0, calls=1_000)(call, sent, context)

    server.index.harm = harm
    with eventindex.connect(server.address, retry_seconds_max=0.5) as client:
        found = client.list_events()
        assert len(next(found)) == 3
        with pytest.raises(eventindex.UnavailableError):
            next(found)


def test_a_silent_listing_is_an_error(server: CatalogueServer):
    """No batch within the timeout is a DeadlineError, though the call has no end in time."""
    server.index.harm = lambda _call, sent, context: server.index.cancelled.wait(20)
    with (
        eventindex.connect(server.address, timeout=0.3) as client,
        pytest.raises(eventindex.DeadlineError),
    ):
        list(client.list_events())


def test_closing_a_listing_cancels_it(server: CatalogueServer, breaking: eventindex.Client):
    """A listing that is closed early ends its call on the server."""
    found = breaking.list_events()
    next(found)
    found.close()
    assert server.index.cancelled.wait(10)


def test_lines_that_break_off_are_an_error(server: CatalogueServer, breaking: eventindex.Client):
    """A RAW file that breaks off in between is an error; before its first line it is retried."""
    server.index.harm = cut_after(0)
    assert list(breaking.read_raw_file(fuid(1))) == ["{}", '{"a": 1}', '{"b": 2}']
    server.index.harm = cut_after(1, calls=100)
    with pytest.raises(eventindex.UnavailableError):
        list(breaking.read_raw_file(fuid(1)))


def test_verify_goes_on_in_the_last_run(server: CatalogueServer, breaking: eventindex.Client):
    """A check that breaks off goes on in its last run, of which other collections may follow."""
    server.admin.harm = cut_after(2)
    checks = list(breaking.verify())
    assert [check.run_number for check in checks] == [1, 2, 3, 4]
    assert [check.run_number for check in checks if check.differences] == [3]
    assert [first for first, _ in server.admin.requests] == [0, 2]
    server.admin.calls = 0
    assert [check.run_number for check in breaking.verify(runs=(1, 2))] == [1, 2]


def test_a_removal_that_breaks_off_is_an_error(
    server: CatalogueServer, breaking: eventindex.Client
):
    """delete_dataset says how far it came, and a break ends it: calling again goes on."""
    assert [step.events_left for step in breaking.delete_dataset(7)] == [750, 500, 250, 0]
    server.admin.harm = cut_after(2, calls=100)
    steps = breaking.delete_dataset("data-3")
    assert [next(steps).events_removed, next(steps).events_removed] == [250, 500]
    with pytest.raises(eventindex.UnavailableError):
        next(steps)


def test_what_must_not_be_done_twice_is_not_retried(
    server: CatalogueServer, breaking: eventindex.Client
):
    """A discard whose answer was lost is an error; it is not sent again."""
    server.admin.harm = cut_after(0)
    with pytest.raises(eventindex.UnavailableError):
        breaking.discard_dead_letter(1)
    assert server.admin.calls == 1


def test_pages_are_followed(server: CatalogueServer, breaking: eventindex.Client):
    """Lists give the things of all pages."""
    assert [dataset.dsid_raw for dataset in breaking.datasets()] == [1, 2, 3, 4, 5]
    assert [letter.dead_letter_id for letter in breaking.dead_letters()] == [1, 2]
    assert breaking.get_dataset("data-5").state == DatasetState.RETIRED
    assert breaking.get_dataset(4).name == "data-4"


@pytest.mark.parametrize("before", [False, True], ids=["GetDataset", "an older server"])
def test_one_dataset_is_one_call(
    server: CatalogueServer, breaking: eventindex.Client, before: bool
):
    """A dataset by number or name is one call, or a list of a server without it."""
    server.index.of_the_version_before = before
    assert breaking.get_dataset("data-5").state == DatasetState.RETIRED
    assert breaking.get_dataset(4).name == "data-4"
    for wrong in ("data", 9, ""):
        with pytest.raises(
            eventindex.NotFoundError, match=f"dataset {wrong!r} is not in the index"
        ):
            breaking.get_dataset(wrong)
    assert len(server.index.requests) == 4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"run": -1}, "run is -1"),
        ({"run": 1, "runs": (1, 2)}, "not both"),
        ({"runs": (2, 1)}, "2 to 1 is reversed"),
        ({"runs": 7}, "not \\(first, last\\)"),
        ({"events": (0, 2**63)}, "events is 9223372036854775808"),
        ({"events": (1.5, None)}, "1.5, not an integer"),
        ({"file": "x"}, "'x', not a UUID"),
        ({"dataset": 2**31}, "dataset is 2147483648"),
        ({"olt_all": 2**64}, "olt_all"),
        ({"olt_all": 6, "olt_none": 12}, "both have 0x4"),
    ],
)
def test_wrong_arguments_are_named(
    server: CatalogueServer, breaking: eventindex.Client, arguments: Any, problem: str
):
    """A selection that makes no sense is a ValueError at once; nothing is sent."""
    with pytest.raises(ValueError, match=problem):
        breaking.list_events(**arguments)
    with pytest.raises(ValueError, match=problem):
        breaking.count_events(**arguments)
    assert server.index.requests == []


def test_an_unknown_filter_is_named(breaking: eventindex.Client):
    """A misspelt filter is an error, never a listing of the whole index."""
    wrong: Any = {"dsid": 11}
    with pytest.raises(TypeError, match="unknown filter 'dsid'"):
        breaking.list_events(**wrong)
    with pytest.raises(TypeError, match="unknown filter 'dsid'"):
        breaking.count_events(**wrong)


def test_frames(breaking: eventindex.Client):
    """to_pandas and to_arrow have the columns of a batch, with texts that take little room."""
    batch = next(breaking.list_events())
    frame = batch.to_pandas()
    assert frame.columns.tolist() == [
        "run_number",
        "event_number",
        "olt_result",
        "dsid_raw",
        "fuid_raw",
        "dataset_state",
    ]
    assert frame["fuid_raw"].tolist() == [fuid(1)] * 3
    assert frame["olt_result"].tolist() == [1, 2, 3]
    assert str(frame["olt_result"].dtype) == "uint64"
    table = batch.to_arrow()
    assert table.to_pylist()[0] == {
        "run_number": 1,
        "event_number": 1,
        "olt_result": 1,
        "dsid_raw": 7,
        "fuid_raw": fuid(1),
        "dataset_state": "unknown",
    }
    assert table.to_pandas()["dataset_state"].tolist() == ["unknown"] * 3


def test_frames_need_their_library(breaking: eventindex.Client, monkeypatch: pytest.MonkeyPatch):
    """Without pandas or pyarrow the methods say what to install."""
    batch = next(breaking.list_events())
    for name, method in (("pandas", batch.to_pandas), ("pyarrow", batch.to_arrow)):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ModuleNotFoundError, match=f"pip install {name}"):
            method()
