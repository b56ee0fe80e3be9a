"""Verify finds what was changed behind the index's back, and nothing else."""

from __future__ import annotations

import threading
import uuid

import pytest

from event_store.pages.format import SLOTS_PER_PAGE
from event_store.write.writer import Store
from tests.conftest import execute
from tests.support.admin import FILES, columns
from tests.support.admin_calls import refused


def planted(store) -> None:
    """Three runs: dense and sparse pages of several files."""
    for run in (1, 2, 3):
        store.write(columns(run, range(0, 3 * SLOTS_PER_PAGE, run), 1, 0))
        store.write(columns(run, range(10**9, 10**9 + 40), 1, [i % 5 for i in range(40)]))


def test_verify_is_clean_after_ingest(admin, store):
    """One message a run, ascending, with its events and no differences."""
    planted(store)
    runs = [(row.run_number, row.events, list(row.differences)) for row in admin.Verify()]
    assert runs == [(1, 24616, []), (2, 12328, []), (3, 8232, [])]
    assert [row.run_number for row in admin.Verify(run_first=2, run_last=2)] == [2]
    code, text = refused(admin.Verify, run_first=8, run_last=8)
    assert (code.name, "run 8" in text) == ("NOT_FOUND", True)
    assert list(admin.Verify(run_first=8)) == []
    for fields in ({"run_first": 3, "run_last": 2}, {"run_last": 2**63}):
        assert refused(admin.Verify, **fields)[0].name == "INVALID_ARGUMENT"


FILE_0 = f"fuid_raw = '{FILES[0].fuid}'"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE run SET n_events = 5 WHERE run_number = 2", ["run.n_events is 5"]),
        ("UPDATE run SET last_event = 5 WHERE run_number = 2", ["run.last_event is 5", "outside"]),
        ("UPDATE run SET generation = 0 WHERE run_number = 2", ["run.generation is 0"]),
        ("DELETE FROM run WHERE run_number = 2", ["no row in run"]),
        (f"DELETE FROM raw_file WHERE {FILE_0} AND run_number = 2", ["no row in raw_file"]),
        (
            f"UPDATE raw_file SET n_events = n_events + 1 WHERE {FILE_0} AND run_number = 2",
            ["raw_file.n_events is 12297"],
        ),
        (
            f"UPDATE raw_file SET first_event = 7 WHERE {FILE_0} AND run_number = 2",
            ["raw_file.first_event is 7, the pages say 0"],
        ),
        (
            f"INSERT INTO raw_file VALUES (2, '{uuid.UUID(int=1)}', 1, 3, 1, 2)",
            ["raw_file.n_events is 3, the pages hold none"],
        ),
        (
            "UPDATE event_page SET n_events = 4095 WHERE run_number = 2 AND page_no = 0",
            ["page 0: n_events is 4095, it holds 4096 events"],
        ),
        (
            "UPDATE event_page SET slots = slots[2:] || slots[1] WHERE run_number = 2 "
            "AND slots IS NOT NULL",
            ["its slots do not ascend"],
        ),
        (
            "UPDATE event_page SET fuids = fuids || fuids, dsids = dsids || dsids "
            "WHERE run_number = 2 AND page_no = 0",
            ["page 0: it cannot be read"],
        ),
        (
            "UPDATE event_page SET file_planes = '' WHERE run_number = 2 AND page_no = 0",
            ["page 0: it cannot be read"],
        ),
        (
            "UPDATE event_page SET fuids = ARRAY[NULL]::uuid[] WHERE run_number = 2 "
            "AND page_no = 0",
            ["page 0: its row cannot be read"],
        ),
        (
            "UPDATE event_page SET file_planes = set_bit(file_planes, 0, 0) "
            "WHERE run_number = 2 AND page_no = 1",
            ["page 1: n_events is 4096, it holds 4095 events", "run.n_events is 12328"],
        ),
        ("DELETE FROM event_page WHERE run_number = 2 AND page_no = 1", ["run.n_events is 12328"]),
        ("DELETE FROM dataset WHERE dsid_raw = 3", ["dataset 3 has no row"]),
    ],
)
def test_verify_finds_planted_differences(admin, store, database_url, change, expected):
    """Each kind of damage is named, in the run that has it, and the other runs are still told."""
    planted(store)
    execute(database_url, change)
    answers = {row.run_number: row for row in admin.Verify()}
    assert sorted(answers) == [1, 2, 3]
    text = "\n".join(answers[2].differences)
    for sentence in expected:
        assert sentence in text
    if "dataset" not in change:
        assert not answers[1].differences
        assert not answers[3].differences


def test_verify_while_events_come_in(admin, store, database_url):
    """A run that is written all the time is counted in one snapshot: no differences."""
    stop = threading.Event()

    def write() -> None:
        own, event = Store(database_url), 0
        while not stop.is_set():
            own.write(columns(1, [event, event + 10**6], 0, [event % 4, 0]))
            event += 1
        own.close()

    store.write(columns(1, range(2 * 10**7, 2 * 10**7 + 10**5), 0, 0))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        while len(counts) < 8 or counts[-1] == counts[0]:
            (row,) = admin.Verify()
            assert not row.differences
            counts.append(row.events)
    finally:
        stop.set()
        writer.join(60)


def test_verify_of_many_differences_is_bounded(admin, store, database_url):
    """A thousand sentences are told and the rest is counted."""
    files = [FILES[0]._replace(fuid=uuid.UUID(int=i + 1)) for i in range(1500)]
    store.write(columns(1, range(1500), 0, range(1500), files))
    execute(database_url, "UPDATE raw_file SET n_events = 2")
    (row,) = admin.Verify()
    assert (len(row.differences), row.differences[-1]) == (1001, "and 500 more differences")
