"""Telescope records and files out of index_service, over real gRPC."""

from __future__ import annotations

import json
import uuid

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from event_store.telescope.names import cosmic_fuid, line_of
from eventindex.catalogue_results import to_cosmic_event
from eventindex.cli.cosmic import _clock
from eventindex.v1 import lookup_pb2
from tests.conftest import execute
from tests.support.cosmic import DUMP, DUMP_FUID, TALK, events, lines, record

# 2019-09-19T18:35:35Z, from the first line's Timestamp and the telescopes' epoch.
DUMP_SECONDS = 622234535 + 946684800


def counts(stub, by, **fields):
    """Total and counts of a selection."""
    selection = lookup_pb2.GetCosmicEventsRequest(**fields)
    request = lookup_pb2.CountCosmicEventsRequest(selection=selection, by=by)
    answer = stub.CountCosmicEvents(request, timeout=60)
    return answer.total, list(answer.counts)


def refusal(call, code):
    """The text of a call that ends with a status."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is code
    return caught.value.details()


def test_a_record_comes_back_typed_and_whole(ingest, stub):
    """The dump's shape: every typed field, the repaired payload, file and dataset."""
    assert ingest(DUMP).inserted == 3
    found = events(stub)
    assert [event.event_number for event in found] == [4917, 4918, 4919]
    first = found[0]
    assert (first.run_number, first.detector_id, first.unix_seconds) == (12345, "0", DUMP_SECONDS)
    assert (first.format, first.cosmic_block, first.trigger_bits) == (1, 2, 71)
    assert (first.epoch, first.counter_clocks, first.event_counter) == (
        4009558015,
        2764593408,
        3121872896,
    )
    assert not first.HasField("clock_count")
    assert not first.HasField("trigger_counter")
    channel = first.tdc["1"]
    assert (list(channel.data), list(channel.calib)) == ([5112064], [])
    assert (channel.calib1, channel.calib2) == (3521728, 12407809)
    assert first.repaired
    assert json.loads(first.payload) == json.loads(b"{" + DUMP[0][1:])
    assert first.fuid_raw == DUMP_FUID
    file = stub.GetFile(lookup_pb2.GetFileRequest(fuid_raw=DUMP_FUID)).runs[0]
    assert first.dsid_raw == file.file.dsid_raw == 2**30


def test_a_doubtful_time_is_told(ingest, stub):
    """A clock that nobody set and one that is years ahead are told in the record."""
    ingest(
        [
            record(1, 1, Timestamp=60),
            record(1, 2, Timestamp=3 * 10**9),
            record(1, 3, Timestamp=None),
        ]
    )
    assert [found.clock_problem for found in events(stub)] == ["never_set", "ahead", ""]
    shown = [_clock(to_cosmic_event(found)) for found in events(stub)]
    assert shown[:2] == ["2000-01-01 00:01:00 (never set)", "2095-01-24 05:20:00 (ahead)"]


def test_the_talks_shape_and_absent_fields(ingest, stub):
    """Arrays with gaps, a null block, a mask of 64 bits, and fields nobody asked for."""
    ingest([TALK])
    (found,) = events(stub)
    assert (found.trigger_bits, found.trigger_counter) == (2**64 - 1, -5)
    assert (list(found.tdc["0"].data), list(found.tdc["0"].calib)) == ([5, 7], [2])
    assert not found.tdc["1"].data
    for field in ("unix_seconds", "cosmic_block", "format", "epoch"):
        assert not found.HasField(field)
    assert not found.repaired
    assert "\n" not in found.payload
    assert json.loads(found.payload) == json.loads(TALK)
    assert found.fuid_raw == str(cosmic_fuid("0", 12345, None))


@pytest.fixture
def telescopes(ingest):
    """Detector a: runs 1 and 3, detector b: runs 2 and 3; three events each, an hour apart."""
    for detector, run in (("a", 1), ("b", 2), ("a", 3), ("b", 3)):
        offset = 10 if (detector, run) == ("b", 3) else 0
        ingest(
            [
                record(run, offset + n, block=n // 2, timestamp=run * 36_000 + n * 3600)
                for n in range(3)
            ],
            detector,
        )


def test_selections_of_records(telescopes, stub):
    """Runs, events, times and detectors restrict, alone and together, in ascending order."""
    epoch = 946684800

    def keys(**fields):
        found = events(stub, **fields)
        return [(e.run_number, e.event_number, e.detector_id) for e in found]

    everything = keys()
    assert everything == sorted(everything)
    assert len(everything) == 12
    assert keys(run_first=2, run_last=2) == [(2, 0, "b"), (2, 1, "b"), (2, 2, "b")]
    assert keys(event_first=2, event_last=10) == [
        (1, 2, "a"),
        (2, 2, "b"),
        (3, 2, "a"),
        (3, 10, "b"),
    ]
    assert keys(detector_id="b", run_first=3) == [(3, 10, "b"), (3, 11, "b"), (3, 12, "b")]
    begin, end = Timestamp(seconds=epoch + 39_600), Timestamp(seconds=epoch + 72_000)
    assert keys(time_first=begin, time_last=end) == [(1, 1, "a"), (1, 2, "a"), (2, 0, "b")]
    assert keys(time_first=Timestamp(seconds=begin.seconds, nanos=1), time_last=end) == [
        (1, 2, "a"),
        (2, 0, "b"),
    ]
    assert keys(time_last=Timestamp(seconds=end.seconds - 1, nanos=999_999_999)) == everything[:3]
    assert keys(events_max=4) == everything[:4]
    assert keys(run_first=4) == []
    runs = stub.ListRuns(lookup_pb2.ListRunsRequest(detector_id="b")).runs
    assert [(run.run_number, run.detector_id) for run in runs] == [(2, "b"), (3, "b")]
    assert {run.collection for run in runs} == {"cosmic.b"}


def test_counts_of_records(telescopes, stub):
    """By run, block, hour and detector; the total alone; over a selection."""
    assert counts(stub, "COSMIC_COUNT_BY_UNSPECIFIED") == (12, [])
    total, found = counts(stub, "COSMIC_COUNT_BY_RUN")
    assert total == 12
    assert [(c.run_number, c.events) for c in found] == [(1, 3), (2, 3), (3, 6)]
    _, found = counts(stub, "COSMIC_COUNT_BY_DETECTOR", run_first=2)
    assert [(c.detector_id, c.events) for c in found] == [("a", 3), ("b", 6)]
    _, found = counts(stub, "COSMIC_COUNT_BY_BLOCK", run_first=3, run_last=3)
    assert [(c.detector_id, c.run_number, c.cosmic_block, c.events) for c in found] == [
        ("a", 3, 0, 2),
        ("a", 3, 1, 1),
        ("b", 3, 0, 2),
        ("b", 3, 1, 1),
    ]
    _, found = counts(stub, "COSMIC_COUNT_BY_HOUR", run_first=3)
    assert [(c.hour.ToJsonString(), c.events) for c in found] == [
        ("2000-01-02T06:00:00Z", 2),
        ("2000-01-02T07:00:00Z", 2),
        ("2000-01-02T08:00:00Z", 2),
    ]
    assert counts(stub, "COSMIC_COUNT_BY_RUN", detector_id="a", event_first=3) == (0, [])


def test_records_without_block_or_time_are_counted(ingest, stub):
    """A null block or time is a count of its own, before the others, with the field not set."""
    ingest([record(1, 1, block=None, timestamp=None), record(1, 2, block=-1, timestamp=-1)])
    _, blocks = counts(stub, "COSMIC_COUNT_BY_BLOCK")
    assert [c.HasField("cosmic_block") for c in blocks] == [False, True]
    _, hours = counts(stub, "COSMIC_COUNT_BY_HOUR")
    assert [c.HasField("hour") for c in hours] == [False, True]
    assert hours[1].hour.ToJsonString() == "1999-12-31T23:00:00Z"


def test_mistakes_are_named(telescopes, stub, store_plain_file):
    """Reversed ranges, unknown ways to count, runs, detectors and files that are not there."""
    invalid, absent = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    late, early = Timestamp(seconds=10), Timestamp(seconds=9, nanos=5)
    for fields, code, words in (
        ({"run_first": 2, "run_last": 1}, invalid, ["run_first=2", "run_last=1"]),
        ({"event_first": 2, "event_last": 1}, invalid, ["event_first=2", "event_last=1"]),
        ({"event_last": 2**63}, invalid, ["event_last", str(2**63)]),
        ({"time_first": late, "time_last": early}, invalid, ["time_first", "time_last"]),
        ({"time_first": Timestamp(seconds=2**40)}, invalid, ["time_first", str(2**40)]),
        ({"detector_id": ""}, invalid, ["detector_id"]),
        ({"run_first": 9, "run_last": 9}, absent, ["run 9"]),
        ({"detector_id": "c"}, absent, ["'c'"]),
    ):
        text = refusal(lambda: events(stub, **fields), code)  # noqa: B023  # called at once
        text += refusal(lambda: counts(stub, "COSMIC_COUNT_BY_RUN", **fields), code)  # noqa: B023  # called at once
        for word in words:
            assert text.count(word) >= 2, fields
    assert "by=77" in refusal(lambda: counts(stub, 77), invalid)
    assert "telescope" in refusal(lambda: lines(stub, store_plain_file), invalid)


@pytest.fixture
def store_plain_file(database_url):
    """A RAW file of a file writer, in a run that a telescope uses too; returns its id."""
    fuid = str(uuid.uuid4())
    execute(database_url, f"INSERT INTO raw_file VALUES (3, '{fuid}', 10, 1, 0, 0)")
    return fuid


def test_a_line_is_well_formed():
    """The firmware's bracket is repaired, line ends between tokens become spaces."""
    assert line_of(b'["a": 1}', repaired=True) == '{"a": 1}'
    assert line_of(b' {\r\n"a":\n[1]\n}\n', repaired=False) == '{  "a": [1] }'
