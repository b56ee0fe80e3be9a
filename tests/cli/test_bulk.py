"""Dead letters, conflicts and criteria by the hundred: chosen, counted, confirmed, done."""

from __future__ import annotations

import numpy as np
import pytest

import eventindex
from eventindex import EventColumns, RawFile
from tests.conftest import execute
from tests.support.client import fuid
from tests.support.command import run

LETTERS = 30


@pytest.fixture
def letters(services: None, database_url: str) -> None:
    """Telescope messages that were refused: of detector 7 complete by now, of 8 without a run."""
    for detector, payload in ((7, '{"RunNumber": 3, "EventNumber": %s}'), (8, '{"x": %s}')):
        execute(
            database_url,
            "INSERT INTO dead_letter (topic, payload, truncated, reason, detail, source) SELECT "
            f"'cosmic/{detector}/event', format('{payload}', n)::bytea, false, 'wrong_fields', "
            f"'before', '' FROM generate_series(1, {LETTERS}) AS n",
        )


def test_dead_letters_by_topic_and_reason(letters: None):
    """All of a topic or reason are sent again or removed at once, and the count is confirmed."""
    asked = run("dead-letters", "replay", "--topic", "cosmic/7/event")
    assert asked.exit_code == 2
    assert f"Send {LETTERS} dead letters through the pipeline again?" in asked.stderr
    replayed = run("dead-letters", "replay", "--topic", "cosmic/7/event", "--yes")
    assert replayed.stderr.splitlines() == [
        f"{LETTERS} inserted, 0 duplicates, 0 conflicts, 0 refused",
        f"{LETTERS} dead letters replayed",
    ]
    left = run("dead-letters", "replay", "--reason", "wrong_fields", "--yes")
    assert left.exit_code == 3
    assert left.stderr.count("RunNumber is missing") == 20
    assert "and 10 more" in left.stderr
    assert f"0 dead letters replayed, {LETTERS} not" in left.stderr
    assert "bad_topic" in run("dead-letters", "discard", "--reason", "x", "--yes").stderr
    for wrong in ([], ["1", "--all"], ["--all", "--topic", "a"]):
        assert run("dead-letters", "discard", *wrong, "--yes").exit_code == 2
    assert (
        f"{LETTERS} dead letters discarded"
        in run("dead-letters", "discard", "--all", "--yes").stderr
    )
    assert "none" in run("dead-letters").stderr


def test_conflicts_by_run(services: None):
    """All conflicts of a run, or those that differ in one thing, are decided at once."""
    events = np.arange(1, 11)
    with eventindex.connect() as client:
        for run_number in (1, 2):
            for olt, dsid in ((0, 7), (1, 7)):
                batch = EventColumns(
                    [RawFile(fuid(1), dsid)], [run_number], events, [1] * 10, [olt] * 10
                )
                list(client.ingest([batch]))
        by = ("--by", "anna", "--yes")
        assert (
            "0 conflicts resolved"
            in run("conflicts", "resolve", "--keep", "--run", "1", "--differs", "file", *by).stderr
        )
        assert (
            "10 conflicts resolved"
            in run("conflicts", "resolve", "--replace", "--run", "1", *by).stderr
        )
        assert client.get_event(1, 10).olt_result == 1
        assert client.get_event(2, 10).olt_result == 0
        asked = run("conflicts", "resolve", "--keep", "--all", "--by", "anna")
        assert "Keep the stored values of 10 conflicts?" in asked.stderr
        ids = [str(conflict.conflict_id) for conflict in client.conflicts()][:2]
        some = run("conflicts", "resolve", "--keep", *ids, "999", "--by", "anna")
        assert some.exit_code == 3
        assert "eventindex: 999: conflict 999 is not in the index" in some.stderr
        assert "8 conflicts resolved" in run("conflicts", "resolve", "--keep", "--all", *by).stderr
        assert not list(client.conflicts())


def test_a_name_means_one_bit(services: None):
    """No two bits share a name in a run, a name is not a number, and names can be taken away."""
    assert run("criteria", "set", "0", "muon").exit_code == 0
    taken = run("criteria", "set", "2", "muon", "--from-run", "50")
    assert (taken.exit_code, taken.stderr) == (
        2,
        "eventindex: name='muon' is the name of bit 0 from run 0 on\n",
    )
    assert run("criteria", "set", "0", "old", "--from-run", "50").exit_code == 0
    assert run("criteria", "set", "2", "muon", "--from-run", "50").exit_code == 0
    assert run("criteria", "set", "2", "muon", "--from-run", "49").exit_code == 2
    for wrong in ("7", "0x3"):
        assert "is a number or a mask" in run("criteria", "set", "3", wrong).stderr
    assert run("criteria", "delete", "old", "--from-run", "50", "--yes").exit_code == 0
    assert run("criteria", "delete", "2", "--yes").stderr == (
        "bit 2 is no longer muon from run 50 on\n"
    )
    assert run("criteria", "delete", "2", "--yes").exit_code == 1
    assert run("criteria", "--format", "csv").stdout == "bit,name,run_first\n0,muon,0\n"
