"""EventBatch messages to columns: what is kept, what is refused, what ends the message."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_store.model import DSID_MAX, NUMBER_MAX
from eventindex.v1 import event_pb2
from ingest_service.decode.batch import decode_batch, parse_batch
from ingest_service.model import MalformedBatchError, Reason

FUID = "01234567-89ab-cdef-0123-456789abcdef"
UINT64 = st.integers(0, 2**64 - 1) | st.integers(NUMBER_MAX - 1, NUMBER_MAX + 1)


def batch(**changes):
    """Return a batch of three events in two files, with some columns replaced."""
    columns = {
        "batch_id": 7,
        "files": [event_pb2.RawFile(fuid_raw=FUID, dsid_raw=5)] * 2,
        "run_numbers": [1],
        "event_numbers": [10, 11, 12],
        "file_indexes": [1, 2, 1],
        "olt_results": [0, 2**64 - 1, 3],
    }
    return event_pb2.EventBatch(**columns | changes)


def test_columns_are_those_of_the_message():
    """Runs given once count for all events, file indexes count from 0, 64 bits are kept."""
    decoded = decode_batch(batch())
    assert decoded.runs.tolist() == [1, 1, 1]
    assert decoded.runs.dtype == decoded.events.dtype == np.int64
    assert decoded.events.tolist() == [10, 11, 12]
    assert decoded.olt.tolist() == [0, 2**64 - 1, 3]
    assert decoded.file_index.tolist() == [0, 1, 0]
    assert decoded.file_index.dtype == np.int32
    assert str(decoded.files[0].fuid) == FUID
    assert decoded.files[0].dsid == 5


@pytest.mark.parametrize("runs", [[], [4]])
def test_empty_batch_is_valid(runs):
    """A batch of no events is decoded to no events."""
    decoded = decode_batch(event_pb2.EventBatch(run_numbers=runs))
    assert decoded.offered == len(decoded.runs) == 0


def test_no_olt_results_mean_zero():
    """The trigger column may be left out."""
    assert decode_batch(batch(olt_results=[])).olt.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"run_numbers": [1, 1]}, "run_numbers has 2 elements for 3 events"),
        ({"run_numbers": []}, "run_numbers has 0 elements"),
        ({"file_indexes": [1, 1]}, "file_indexes has 2 elements for 3 events.*index 2 on"),
        ({"olt_results": [1, 2, 3, 4]}, "olt_results has 4 elements for 3 events.*index 3 on"),
        ({"file_indexes": [1, 0, 0]}, r"file_indexes\[1\] is 0"),
        ({"file_indexes": [1, 2, 3]}, r"file_indexes\[2\] is 3"),
        ({"file_indexes": [1, 2, 2**32 - 1]}, r"file_indexes\[2\] is 4294967295"),
        ({"files": []}, r"file_indexes\[0\] is 1"),
        ({"files": [event_pb2.RawFile(fuid_raw=f"{{{FUID}}}")]}, r"files\[0\].fuid_raw is"),
        ({"files": [event_pb2.RawFile(fuid_raw=FUID + "\n")]}, r"files\[0\].fuid_raw is"),
    ],
)
def test_structure_that_does_not_fit_names_the_first_bad_index(changes, text):
    """Wrong lengths, indexes and ids end the message with a sentence that says where."""
    with pytest.raises(MalformedBatchError, match=text):
        decode_batch(batch(**changes))


def test_too_many_events_are_refused_before_they_are_touched():
    """A message holds at most 100,000 events, and says so."""
    with pytest.raises(MalformedBatchError, match="at most 100000") as error:
        decode_batch(event_pb2.EventBatch(event_numbers=[1] * 100_001))
    assert error.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("payload", [b"\xff" * 10, b'{"run_number": 1}', b"\x0a\xff"])
def test_payload_that_is_no_batch_is_malformed(payload):
    """Bytes of something else are one malformed message."""
    with pytest.raises(MalformedBatchError):
        decode_batch(parse_batch(payload))


@given(st.lists(st.tuples(UINT64, UINT64, st.integers(0, 1)), max_size=20))
def test_values_out_of_range_are_rejected_one_by_one(events):
    """Each event is either kept, or rejected under its position with a piece of its own."""
    files = [(FUID, DSID_MAX), (FUID, DSID_MAX + 1)]
    message = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=dsid) for fuid, dsid in files],
        run_numbers=[run for run, _, _ in events],
        event_numbers=[event for _, event, _ in events],
        file_indexes=[file + 1 for _, _, file in events],
    )
    decoded = decode_batch(message)
    good = [run <= NUMBER_MAX and event <= NUMBER_MAX and not file for run, event, file in events]
    kept = zip(decoded.runs.tolist(), decoded.events.tolist(), strict=True)
    assert list(kept) == [e[:2] for e, ok in zip(events, good, strict=True) if ok]
    assert [r.position for r in decoded.rejections] == [i for i, ok in enumerate(good) if not ok]
    for rejection in decoded.rejections:
        piece = parse_batch(decoded.piece(rejection.position))
        run, event, file = events[rejection.position]
        assert (list(piece.run_numbers), list(piece.event_numbers)) == ([run], [event])
        assert piece.files[0].dsid_raw == files[file][1]
        assert rejection.reason is Reason.OUT_OF_RANGE


def test_rejection_names_field_and_value():
    """The sentence of a rejection can be acted on."""
    decoded = decode_batch(batch(event_numbers=[10, 2**63, 12]))
    assert decoded.positions.tolist() == [0, 2]
    assert decoded.rejections[0].detail == (f"event_number is {2**63}, not from 0 to {NUMBER_MAX}")
