"""Conflicts are decided, criteria are named."""

from __future__ import annotations

import json

import pytest

from event_store.model import Outcome
from eventindex.v1 import admin_pb2
from tests.conftest import query
from tests.support.admin import FILES, columns, differences, files_of
from tests.support.admin_calls import (
    FROZEN,
    KEEP,
    REPLACE,
    cosmic_line,
    events,
    refused,
    send_cosmic,
    value,
)


def conflict_ids(url: str) -> list[int]:
    """The numbers of the open conflicts."""
    sql = "SELECT conflict_id FROM event_conflict WHERE resolution = '' ORDER BY 1"
    return [number for (number,) in query(url, sql)]


def test_keep_records_who_decided(admin, store, database_url):
    """A kept conflict says by whom and when; it cannot be decided again; the event is as it was."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    (number,) = conflict_ids(database_url)
    answer = admin.ResolveConflict(conflict_id=number, resolution=KEEP, resolved_by="anna")
    conflict = answer.conflict
    assert (conflict.resolution, conflict.resolved_by) == ("kept", "anna")
    assert conflict.resolved.seconds > 0
    assert (conflict.stored.olt_result, conflict.offered.olt_result) == (5, 6)
    assert events(database_url) == {1: value(0, 5)}
    code, text = refused(
        admin.ResolveConflict, conflict_id=number, resolution=REPLACE, resolved_by="bob"
    )
    assert (code.name, "kept by anna" in text) == ("FAILED_PRECONDITION", True)
    store.write(columns(1, [1], 6, 1))
    assert conflict_ids(database_url) == []


def test_replace_changes_the_event_its_files_and_the_other_conflicts(admin, store, database_url):
    """The offered value is stored; counts and bounds of both files and open conflicts follow."""
    store.write(columns(1, [1, 2, 9000], 2**63, [0, 0, 0]))
    store.write(columns(1, [1], 6, 1))
    store.write(columns(1, [1], 7, 2))
    generation = "SELECT generation FROM run"
    before = query(database_url, generation)
    first, second = conflict_ids(database_url)
    admin.ResolveConflict(conflict_id=first, resolution=REPLACE, resolved_by="anna")
    assert events(database_url) == {1: value(1, 6), 2: value(0, -(2**63)), 9000: value(0, -(2**63))}
    assert files_of(database_url) == {
        (str(FILES[0].fuid), 1): (2, 2, 9000),
        (str(FILES[1].fuid), 2): (1, 1, 1),
    }
    assert query(database_url, generation) > before
    assert differences(database_url) == []
    stored = "SELECT stored_fuid_raw::text, stored_olt_result FROM event_conflict WHERE "
    assert query(database_url, f"{stored} conflict_id = {second}") == [(str(FILES[1].fuid), 6)]
    assert store.write(columns(1, [1], 6, 1)).tolist() == [Outcome.DUPLICATE]
    # The old value is a conflict now, and when it is back so is the one that replaced it.
    assert store.write(columns(1, [1], 2**63, 0)).tolist() == [Outcome.CONFLICT]
    old = conflict_ids(database_url)[-1]
    answer = admin.ResolveConflict(conflict_id=old, resolution=REPLACE, resolved_by="anna")
    assert answer.conflict.resolution == "replaced"
    assert events(database_url)[1] == value(0, -(2**63))
    assert files_of(database_url) == {(str(FILES[0].fuid), 1): (3, 1, 9000)}
    assert store.write(columns(1, [1], 6, 1)).tolist() == [Outcome.CONFLICT]
    assert conflict_ids(database_url) == [first, second]


def test_replace_takes_the_telescopes_record(admin, channel, database_url):
    """A replaced telescope event has the offered record, with its typed columns."""
    send_cosmic(channel, "7", cosmic_line(1))
    assert send_cosmic(channel, "7", cosmic_line(1, TriggerBits=9, Epoch=4)).conflicts == 1
    assert send_cosmic(channel, "7", cosmic_line(1, Epoch=5)).conflicts == 1
    number, other = conflict_ids(database_url)
    admin.ResolveConflict(conflict_id=number, resolution=REPLACE, resolved_by="anna")
    rows = query(database_url, "SELECT trigger_bits, epoch, canonical FROM cosmic_event")
    assert rows[0][:2] == (9, 4)
    assert json.loads(bytes(rows[0][2]))["TriggerBits"] == 9
    assert events(database_url, 5)[1][2] == 9
    compared = query(
        database_url,
        f"SELECT stored_record, stored_olt_result FROM event_conflict WHERE conflict_id = {other}",
    )
    assert (bytes(compared[0][0]), compared[0][1]) == (bytes(rows[0][2]), 9)
    assert send_cosmic(channel, "7", cosmic_line(1, TriggerBits=9, Epoch=4)).duplicates == 1


def test_replace_brings_nothing_into_a_closed_dataset(admin, store, database_url):
    """An offered value of a frozen dataset stays outside."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    admin.UpdateDataset(dsid_raw=2, state=FROZEN)
    (number,) = conflict_ids(database_url)
    code, text = refused(
        admin.ResolveConflict, conflict_id=number, resolution=REPLACE, resolved_by="anna"
    )
    assert (code.name, "dsid_raw=2" in text) == ("FAILED_PRECONDITION", True)
    assert events(database_url) == {1: value(0, 5)}


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"conflict_id": 1, "resolved_by": "a"}, "INVALID_ARGUMENT", "resolution=0"),
        ({"conflict_id": 1, "resolution": 7, "resolved_by": "a"}, "INVALID_ARGUMENT", "=7"),
        ({"conflict_id": 1, "resolution": KEEP}, "INVALID_ARGUMENT", "resolved_by=''"),
        ({"conflict_id": 4, "resolution": KEEP, "resolved_by": "a"}, "NOT_FOUND", "conflict 4"),
        ({"conflict_id": 4, "resolution": REPLACE, "resolved_by": "a"}, "NOT_FOUND", "conflict 4"),
        (
            {"conflict_id": 2**63, "resolution": KEEP, "resolved_by": "a"},
            "INVALID_ARGUMENT",
            "conflict_id=9223372036854775808",
        ),
    ],
)
def test_bad_resolution(refusing, fields, code, text):
    """A decision that cannot be is refused with the field and the value."""
    got, details = refused(refusing[0].ResolveConflict, **fields)
    assert (got.name, text in details) == (code, True), details


def test_criteria_are_set_replaced_and_listed(admin):
    """A bit has one name from each run on; the same run again replaces it."""
    for bit, run, name in ((63, 0, "calib"), (0, 9, "dimuon"), (0, 5, "x"), (0, 5, "muon")):
        answer = admin.SetCriterion(
            criterion=admin_pb2.Criterion(bit=bit, run_first=run, name=name)
        )
        assert answer.criterion.name == name
    found = [(c.bit, c.run_first, c.name) for c in admin.ListCriteria().criteria]
    assert found == [(0, 5, "muon"), (0, 9, "dimuon"), (63, 0, "calib")]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"bit": 64, "name": "x"}, "bit=64"),
        ({"bit": 1}, "name=''"),
        ({"bit": 1, "name": " x"}, "name=' x'"),
        ({"bit": 1, "name": "x", "run_first": 2**63}, "run_first=9223372036854775808"),
    ],
)
def test_bad_criterion(refusing, fields, text):
    """A criterion that cannot be is refused with the field and the value."""
    admin = refusing[0]
    code, details = refused(admin.SetCriterion, criterion=admin_pb2.Criterion(**fields))
    assert (code.name, text in details) == ("INVALID_ARGUMENT", True), details
    assert refused(admin.SetCriterion)[0].name == "INVALID_ARGUMENT"
