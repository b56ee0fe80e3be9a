"""Telescope records: the dump's shape, the talk's shape, and what neither may hold."""

from __future__ import annotations

import json
import uuid
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_service.decode.clocks import Clocks
from ingest_service.decode.cosmic import decode_cosmic, decode_records
from ingest_service.model import MalformedBatchError, Reason

DUMP = (Path(__file__).parents[1] / "data" / "dump.dat").read_bytes()
CLOCKS = Clocks(date(2000, 1, 1))
TALK = {
    "Format": None,
    "RunNumber": 5,
    "DetectorId": None,
    "EventNumber": 6,
    "CosmicBlock": None,
    "Timestamp": None,
    "TriggerBits": None,
    "TDC": {
        "0": {"Data": [None, 1, None, None, None], "Calib": [None, 2]},
        "1": {"Data": [None] * 5, "Calib": [None, None]},
    },
    "ClockCount": None,
    "TrigerCounter": 9,
}


def decode(fields: object, detector: str = "0"):
    """Decode one record."""
    return decode_cosmic(json.dumps(fields).encode(), detector, CLOCKS)


def test_dump_is_read_and_repaired():
    """The three lines of the dump are three events of run 12345 in one RAW file."""
    decoded = decode_cosmic(DUMP, "0", CLOCKS)
    assert decoded.runs == [12345] * 3
    assert decoded.events == [4917, 4918, 4919]
    assert decoded.olt == [71, 16, 71]
    assert decoded.repaired == 3
    name = uuid.uuid5(uuid.NAMESPACE_URL, "eventindex:cosmic/0/12345/2")
    assert set(decoded.files) == {(name, "cosmic.0.12345")}
    record = decoded.cosmic[0]
    assert record.unix_seconds == 622234535 + 946684800
    assert record.epoch == 4009558015
    assert record.trigger_counter is None
    assert record.tdc["1"] == {
        "Calib": [None, None],
        "Data": 5112064,
        "Calib1": 3521728,
        "Calib2": 12407809,
    }
    assert record.payload == DUMP.splitlines()[0]
    assert json.loads(record.canonical)["EventNumber"] == 4917


def test_class_of_the_talk_is_read():
    """Null fields are left open, the talk's spelling of the trigger counter counts."""
    decoded = decode(TALK, "mu-1")
    record = decoded.cosmic[0]
    assert (decoded.runs, decoded.events, decoded.olt) == ([5], [6], [0])
    assert record.detector_id == "mu-1"
    assert record.trigger_counter == 9
    assert record.unix_seconds is record.format is record.cosmic_block is None
    assert record.tdc["0"]["Data"] == [None, 1, None, None, None]
    assert not record.repaired
    name = uuid.uuid5(uuid.NAMESPACE_URL, "eventindex:cosmic/mu-1/5/-")
    assert decoded.files == [(name, "cosmic.mu-1.5")]


def test_equal_records_have_equal_canonical_text():
    """Key order, white space and repair do not make another record."""
    first = decode(TALK).cosmic[0]
    turned = json.dumps(dict(reversed(TALK.items())), indent=1)
    second = decode_cosmic(b"[" + turned.encode()[1:], "0", CLOCKS).cosmic[0]
    assert second.repaired
    assert first.canonical == second.canonical


def test_unknown_fields_are_kept_in_the_payload():
    """A firmware may send more than is known here."""
    record = decode(TALK | {"Pressure": 1013.25}).cosmic[0]
    assert json.loads(record.canonical)["Pressure"] == 1013.25
    assert b"1013.25" in record.payload


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"RunNumber": None}, Reason.WRONG_TYPE, "RunNumber is null"),
        ({"RunNumber": True}, Reason.WRONG_TYPE, "RunNumber is true"),
        ({"EventNumber": -1}, Reason.OUT_OF_RANGE, "EventNumber is -1"),
        ({"EventNumber": 2**63}, Reason.OUT_OF_RANGE, "EventNumber is 9223372036854775808"),
        ({"TriggerBits": 2**64}, Reason.OUT_OF_RANGE, "TriggerBits is 18446744073709551616"),
        ({"Timestamp": 1.5}, Reason.WRONG_TYPE, "Timestamp is 1.5"),
        ({"Timestamp": 2**63 - 1}, Reason.OUT_OF_RANGE, "Timestamp is 9223372036854775807"),
        ({"Timestamp": 253402300800}, Reason.OUT_OF_RANGE, "Timestamp is 253402300800"),
        ({"CosmicBlock": "2"}, Reason.WRONG_TYPE, "CosmicBlock is '2'"),
        ({"ClockCount": 2**63}, Reason.OUT_OF_RANGE, "ClockCount is"),
        ({"TDC": []}, Reason.WRONG_TYPE, "TDC is an array"),
        ({"TDC": {"0": 1}}, Reason.WRONG_TYPE, "TDC.0 is 1"),
        ({"TDC": {"0": {"Data": ["x"]}}}, Reason.WRONG_TYPE, "TDC.0.Data[0] is 'x'"),
        ({"TDC": {"0": {"Data": [0] * 65}}}, Reason.OUT_OF_RANGE, "TDC.0.Data has 65 values"),
        ({"TDC": {"0": {"Calib1": 2**63}}}, Reason.OUT_OF_RANGE, "TDC.0.Calib1 is"),
        ({"TDC": {"a\0": None}}, Reason.OUT_OF_RANGE, "TDC has a channel named"),
        ({"DetectorId": 1}, Reason.WRONG_DETECTOR, "DetectorId is '1'"),
        ({"DetectorId": "../x"}, Reason.OUT_OF_RANGE, "cannot be a DetectorId"),
        ({"DetectorId": 0.0}, Reason.WRONG_TYPE, "DetectorId is 0.0"),
    ],
)
def test_bad_field_is_rejected_by_name(change, reason, text):
    """A field that is present has the right type and range, or the record is refused."""
    rejection = decode(TALK | change).rejections[0]
    assert rejection.reason is reason
    assert text in rejection.detail


def test_missing_event_number_is_rejected():
    """Run and event number are the two fields that must be there."""
    fields = {key: value for key, value in TALK.items() if key != "EventNumber"}
    assert decode(fields).rejections[0].detail == "EventNumber is missing"


@pytest.mark.parametrize(
    "line",
    [
        b"[1, 2]",
        b'["RunNumber": 1',
        b'{"RunNumber": 1, "RunNumber": 1}',
        b'{"RunNumber": 1, "EventNumber": 2, "More": NaN}',
        b'{"RunNumber": 1, "EventNumber": 2, "More": "\xff"}',
        b"{" * 100_000,
        b"null",
    ],
)
def test_line_that_is_no_record_is_rejected_alone(line):
    """The other lines of the message are stored."""
    good = json.dumps(TALK).encode()
    decoded = decode_cosmic(b"\n".join([good, line, b"", good]), "0", CLOCKS)
    assert decoded.positions == [0, 2]
    assert [r.position for r in decoded.rejections] == [1]
    assert decoded.piece(1) == line


@pytest.mark.parametrize("payload", [b"", b" \n \n"])
def test_payload_without_a_record_is_malformed(payload):
    """Nothing is one refused message."""
    with pytest.raises(MalformedBatchError, match="no record"):
        decode_cosmic(payload, "0", CLOCKS)


def test_too_many_lines_are_refused():
    """A message holds at most 100,000 records, and says so."""
    with pytest.raises(MalformedBatchError, match="100000") as error:
        decode_cosmic(b"x\n" * 100_001, "0", CLOCKS)
    assert error.value.reason is Reason.TOO_LARGE
    with pytest.raises(MalformedBatchError, match="an array of more than 100000 events") as error:
        decode_cosmic(b"[" + b"{}," * 5_000_000 + b"{}]", "0", CLOCKS)
    assert error.value.reason is Reason.TOO_LARGE


def test_detector_is_needed_from_somewhere():
    """Without a topic the record must name its detector."""
    record = json.dumps(TALK).encode()
    assert decode_records([record], "", CLOCKS).rejections[0].reason is Reason.WRONG_DETECTOR
    named = json.dumps(TALK | {"DetectorId": "a"}).encode()
    assert decode_records([named], "", CLOCKS).cosmic[0].detector_id == "a"


@given(st.binary(max_size=200))
def test_any_payload_is_decoded_or_refused(payload):
    """No payload raises anything but a refusal."""
    try:
        decoded = decode_cosmic(payload, "0", CLOCKS)
    except MalformedBatchError:
        return
    assert decoded.offered == len(decoded.runs) + len(decoded.rejections)


@pytest.mark.parametrize(
    ("payload", "events", "refused"),
    [
        ('[{"RunNumber": 1, "EventNumber": 2}, {"RunNumber": 1, "EventNumber": 3}]', [2, 3], []),
        ('[\n{"RunNumber": 1, "EventNumber": 2},\n{"RunNumber":1,\n"EventNumber":3}]', [2, 3], []),
        ('[{"RunNumber": 1, "EventNumber": 2}, {"RunNumber": 1, "EventNumber": 3.0}]', [2], [1]),
        ('[{"RunNumber": 1, "EventNumber": 2, "a": 1, "a": 2}, 7, null]', [], [0, 1, 2]),
        ("[]", [], []),
        ('[{"RunNumber": 1, "EventNumber": 2}', [], [0]),
        ('[{"RunNumber": 1, "EventNumber": 2},]', [], [0]),
        ('[{"RunNumber": 1, "EventNumber": 2} {"RunNumber": 1, "EventNumber": 3}]', [], [0]),
    ],
)  # fmt: skip
def test_an_array_holds_records(payload, events, refused):
    """Who sends an array gets each record stored, and each bad one refused by its place."""
    decoded = decode_cosmic(payload.encode(), "7", CLOCKS)
    assert list(decoded.events) == events
    assert [rejection.position for rejection in decoded.rejections] == refused
    for position in refused if len(events) + len(refused) == decoded.offered > 1 else ():
        assert payload.encode().count(decoded.piece(position)) == 1
