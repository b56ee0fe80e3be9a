"""The client's lists, counts and changes over the real services."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eventindex
from eventindex import DatasetState, EventColumns, RawFile
from tests.conftest import execute
from tests.support.client import fuid, pairs
from tests.support.processes import Service

DATA = Path(__file__).parents[1] / "data"
TOP = 2**63 - 1


@pytest.fixture
def filled(client: eventindex.Client) -> eventindex.Client:
    """Runs 1 to 3 with 100 events each: odd ones in a file of dataset 7, even ones of 8."""
    events = np.arange(1, 101)
    for run in (1, 2, 3):
        files = [RawFile(fuid(run), 7), RawFile(fuid(run + 10), 8)]
        batch = EventColumns(files, [run], events, 2 - events % 2, events.astype(np.uint64))
        assert [ack.inserted for ack in client.ingest([batch])] == [100]
    return client


def test_selections(filled: eventindex.Client):
    """list_events gives what a selection says, by run, range, dataset, file and mask."""
    everything = [(run, event) for run in (1, 2, 3) for event in range(1, 101)]
    assert pairs(filled.list_events()) == everything
    assert pairs(filled.list_events(batch_events_max=7, events_max=150)) == everything[:150]
    assert pairs(filled.list_events(after=(2, 50))) == everything[150:]
    assert pairs(filled.list_events(run=2, events=(10, 12))) == [(2, 10), (2, 11), (2, 12)]
    assert pairs(filled.list_events(runs=(3, None), dataset="dsid-8")) == [
        (3, event) for event in range(2, 101, 2)
    ]
    masked = filled.list_events(file=fuid(1), olt_all=0b11, olt_none=0b1100, olt_any=1 << 5)
    assert pairs(masked) == [
        (1, e) for e in range(1, 101, 2) if e & 3 == 3 and not e & 12 and e & 32
    ]
    batch = next(filled.list_events(run=3))
    assert (batch.dsids() == 8 - batch.event_numbers % 2).all()
    assert (batch.olt_results == batch.event_numbers.astype(np.uint64)).all()
    assert batch.fuids()[:2].tolist() == [fuid(3), fuid(13)]
    (ack,) = filled.ingest([batch])
    assert ack.duplicates == 100


def test_a_listing_survives_the_death_of_the_index_service(database_url: str, ingest_address: str):
    """kill -9 in the middle of a listing and a restart: every event once, in order."""
    service = Service("index_service", database_url=database_url).start()
    try:
        with eventindex.connect(
            service.address, ingest_address=ingest_address, retry_seconds_max=60
        ) as client:
            numbers = np.arange(200_000)
            batches = np.split(numbers, 4)
            files = [RawFile(fuid(1), 7)]
            list(client.ingest(EventColumns(files, [1], b, np.ones_like(b)) for b in batches))
            listing = client.list_events(batch_events_max=1_000)
            found = [next(listing) for _ in range(5)]
            service.kill()
            service.start()
            found += listing
        assert (np.concatenate([batch.event_numbers for batch in found]) == numbers).all()
    finally:
        service.close()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"run": 9}, eventindex.NotFoundError),
        ({"dataset": 9}, eventindex.NotFoundError),
        ({"dataset": "x"}, eventindex.NotFoundError),
        ({"file": fuid(9)}, eventindex.NotFoundError),
    ],
)
def test_what_is_not_there_is_said(
    filled: eventindex.Client, wrong: Any, error: type[eventindex.EventIndexError]
):
    """A run, dataset or file that is not in the index is an error, never an empty answer."""
    with pytest.raises(error):
        list(filled.list_events(**wrong))
    with pytest.raises(error):
        filled.count_events(**wrong)


def test_gaps_of_a_run(client: eventindex.Client):
    """run_gaps counts the event numbers that a run lacks, over pages of both kinds, exactly."""
    page = 8192
    events = np.concatenate([np.arange(5, 3 * page), [9 * page, 9 * page + 2], [40 * page]])
    events = np.delete(events, [100, 101, 2 * page])
    batch = EventColumns([RawFile(fuid(1), 7)], [1], events, np.ones(len(events), np.int64))
    assert [ack.inserted for ack in client.ingest([batch])] == [len(events)]
    found = client.run_gaps(1, gaps_max=3)
    assert (found.event_first, found.event_last, found.events) == (5, 40 * page, len(events))
    assert found.missing == 40 * page - 5 + 1 - len(events)
    assert found.gaps == 5
    assert [(gap.event_first, gap.event_last) for gap in found.widest] == [
        (9 * page + 3, 40 * page - 1), (3 * page, 9 * page - 1), (105, 106),
    ]  # fmt: skip
    assert sum(gap.missing for gap in client.run_gaps(1).widest) == found.missing
    assert sum(part.events for part in found.bins) == len(events)
    with pytest.raises(eventindex.NotFoundError, match="run 2 is not in the index"):
        client.run_gaps(2)
    with pytest.raises(eventindex.EventIndexError, match="gaps_max=10001 is above the limit"):
        client.run_gaps(1, gaps_max=10_001)


def test_counts(filled: eventindex.Client):
    """count_events counts in all and by everything that it can count by."""
    assert filled.count_events() == (300, [])
    by_run = filled.count_events(by="run", dataset=7)
    assert [(count.run_number, count.events) for count in by_run.counts] == [
        (1, 50), (2, 50), (3, 50),
    ]  # fmt: skip
    by_dataset = filled.count_events(by=eventindex.CountBy.DATASET, events=(1, 9))
    assert [(count.dsid_raw, count.events) for count in by_dataset.counts] == [(7, 15), (8, 12)]
    by_file = filled.count_events(by="file", run=2)
    assert {count.fuid_raw: count.events for count in by_file.counts} == {fuid(2): 50, fuid(12): 50}
    bits = {count.olt_bit: count.events for count in filled.count_events(by="bit", run=1).counts}
    assert bits == {bit: sum(e >> bit & 1 for e in range(1, 101)) for bit in range(7)}
    overlaps = filled.count_events(by="overlap", run=1).counts
    assert {(count.olt_bit, count.other_olt_bit): count.events for count in overlaps} == {
        (a, b): sum(e >> a & e >> b & 1 for e in range(1, 101))
        for a in range(7)
        for b in range(a, 7)
    }


def test_frames_of_a_lookup(filled: eventindex.Client):
    """A lookup becomes a frame or a table with missing values where nothing was found."""
    result = filled.lookup([(1, 2), (1, 999), (1, 3)], with_olt_result=True)
    frame = result.to_pandas()
    assert frame["fuid_raw"].tolist()[::2] == [fuid(11), fuid(1)]
    assert frame.isna().any(axis=1).tolist() == [False, True, False]
    assert frame["dsid_raw"].dropna().tolist() == [8, 7]
    assert result.to_arrow().to_pylist()[1:] == [
        {
            "run_number": 1,
            "event_number": 999,
            "fuid_raw": None,
            "dsid_raw": None,
            "dataset_state": None,
            "olt_result": 0,
        },
        {
            "run_number": 1,
            "event_number": 3,
            "fuid_raw": fuid(1),
            "dsid_raw": 7,
            "dataset_state": "open",
            "olt_result": 3,
        },
    ]


def test_runs_datasets_and_files(filled: eventindex.Client):
    """The catalogue lists what is there, filtered and ordered."""
    assert [run.run_number for run in filled.runs(order_by="run_number desc")] == [3, 2, 1]
    datasets = list(filled.datasets(order_by="name desc"))
    assert [(d.name, d.events, d.files, d.state) for d in datasets] == [
        ("dsid-8", 150, 3, DatasetState.OPEN),
        ("dsid-7", 150, 3, DatasetState.OPEN),
    ]
    assert [d.dsid_raw for d in filled.datasets(name_contains="-7")] == [7]
    assert list(filled.datasets(state=DatasetState.RETIRED)) == []
    files = list(filled.files(run=2))
    assert {(f.file.fuid_raw, f.file.dsid_raw, f.events, f.event_first, f.event_last)
            for f in files} == {(fuid(2), 7, 50, 1, 99), (fuid(12), 8, 50, 2, 100)}  # fmt: skip
    assert [f.run_number for f in filled.files(dataset="dsid-8")] == [1, 2, 3]
    content = filled.get_file(fuid(1), with_events=True)
    assert [run.run_number for run in content.runs] == [1]
    assert pairs(content.events) == [(1, event) for event in range(1, 101, 2)]
    for wrong in (lambda: list(filled.files(run=9)), lambda: filled.get_file(fuid(99))):
        with pytest.raises(eventindex.NotFoundError):
            wrong()


def test_telescopes(client: eventindex.Client):
    """Telescope records come back with real times, counts, and as the lines of their RAW file."""
    lines = (DATA / "dump.dat").read_bytes().splitlines()
    assert [ack.inserted for ack in client.ingest_cosmic([lines], detector_id="0")] == [3]
    events = list(client.cosmic_events(run=12345))
    assert [event.event_number for event in events] == [4917, 4918, 4919]
    time = events[0].time
    assert time is not None
    assert time.tzinfo == datetime.UTC
    assert len(list(client.cosmic_events(times=(time, time), detector_id="0"))) >= 1
    assert len(list(client.cosmic_events(events_max=2))) == 2
    assert client.count_cosmic_events().total == 3
    (block,) = client.count_cosmic_events(by="block").counts
    assert (block.events, block.run_number, block.detector_id) == (3, 12345, "0")
    assert sum(count.events for count in client.count_cosmic_events(by="hour").counts) == 3
    raw = list(client.read_raw_file(events[0].fuid_raw))
    assert len(raw) == 3
    again = [line.encode() for line in raw]
    assert [a.duplicates for a in client.ingest_cosmic([again], detector_id="0")] == [3]
    with pytest.raises(eventindex.NotFoundError):
        list(client.cosmic_events(run=1))


def test_conflicts_are_listed_and_resolved(filled: eventindex.Client):
    """A conflict says what is stored and offered; replacing it changes what a lookup finds."""
    other = EventColumns([RawFile(fuid(50), 7)], [1], [5, 7], [1, 1])
    assert [ack.conflicts for ack in filled.ingest([other])] == [2]
    first, second = sorted(filled.conflicts(run=1), key=lambda c: c.stored.event_number)
    assert (first.stored.file.fuid_raw, first.offered.file.fuid_raw) == (fuid(1), fuid(50))
    assert (first.stored.olt_result, first.offered.olt_result, first.times) == (5, 0, 1)
    done = filled.resolve_conflict(first.conflict_id, replace=True, resolved_by="shifter")
    assert (done.resolution, done.resolved_by) == ("replaced", "shifter")
    filled.resolve_conflict(second.conflict_id, replace=False, resolved_by="shifter")
    assert filled.lookup([(1, 5), (1, 7)]).fuids().tolist() == [fuid(50), fuid(1)]
    assert list(filled.conflicts(run=1)) == []
    assert {c.resolution for c in filled.conflicts(with_resolved=True)} == {"replaced", "kept"}
    with pytest.raises(eventindex.NotFoundError):
        filled.resolve_conflict(10**6, replace=True, resolved_by="shifter")


def test_datasets_change(filled: eventindex.Client):
    """A dataset is named, frozen, retired, opened and removed; nothing else is touched."""
    named = filled.update_dataset(7, name="physics", comment="ours")
    assert (named.name, named.comment, named.dsid_raw) == ("physics", "ours", 7)
    assert filled.update_dataset("physics", state=DatasetState.FROZEN).state == DatasetState.FROZEN
    more = EventColumns([RawFile(fuid(1), 7)], [1], [101], [1])
    (ack,) = filled.ingest([more])
    assert ack.rejected == 1
    filled.update_dataset("physics", state=DatasetState.RETIRED)
    assert filled.lookup([(1, 1)]).files[0].dataset_state == DatasetState.RETIRED
    assert filled.update_dataset("physics", state=DatasetState.OPEN).comment == "ours"
    with pytest.raises(eventindex.InvalidRequestError, match="open"):
        list(filled.delete_dataset("physics"))
    filled.update_dataset("physics", state=DatasetState.FROZEN)
    started = filled.delete_dataset("physics")
    while next(started).events_removed == 0:
        pass
    started.close()
    assert filled.count_events(dataset=7).total < 150
    steps = list(filled.delete_dataset("physics"))
    assert steps[-1].events_left == 0
    assert filled.count_events() == (150, [])
    assert [check.differences for check in filled.verify()] == [[], [], []]


def test_criteria_name_counts(filled: eventindex.Client):
    """A bit has a name from a run on, and counts carry it."""
    criterion = filled.set_criterion(0, "odd", run_first=1)
    assert criterion == (0, "odd", 1)
    assert filled.criteria() == [criterion]
    names = {c.olt_bit: c.olt_name for c in filled.count_events(by="bit").counts}
    assert names[0] == "odd"
    assert names[1] == ""


def test_verify_finds_what_was_changed_behind_its_back(
    filled: eventindex.Client, database_url: str
):
    """A count that was changed in the database is named with its run."""
    assert all(not check.differences for check in filled.verify())
    execute(database_url, "UPDATE run SET n_events = 99 WHERE run_number = 2")
    wrong = [check for check in filled.verify() if check.differences]
    assert [check.run_number for check in wrong] == [2]
    assert [check.run_number for check in filled.verify(runs=(3, 3))] == [3]
