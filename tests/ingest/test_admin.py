"""AdminService over the real service: datasets, conflicts, criteria, dead letters, verify."""

from __future__ import annotations

import threading
from contextlib import closing

import grpc
import psycopg2
import pytest

from event_store.model import Outcome
from event_store.pages.format import SLOTS_PER_PAGE
from event_store.write.writer import Store
from eventindex.v1 import event_pb2, ingest_pb2_grpc
from tests.conftest import query
from tests.support.admin import columns, differences
from tests.support.admin_calls import (
    FROZEN,
    KEEP,
    OPEN,
    RETIRED,
    cosmic_line,
    events,
    letter,
    refused,
    send_cosmic,
)
from tests.support.ingest import FUID
from tests.support.processes import wait_until


def test_dataset_gets_a_name_a_state_and_a_comment(admin, store):
    """Given values change, the others stay; the answer holds the dataset's counts."""
    store.write(columns(1, [1, 2, 3], 0, [0, 3, 0]))
    answer = admin.UpdateDataset(dsid_raw=1, name="2026/muons", comment="first light").dataset
    assert (answer.name, answer.state, answer.comment) == ("2026/muons", OPEN, "first light")
    assert (answer.events, answer.files, answer.created.seconds > 0) == (3, 2, True)
    answer = admin.UpdateDataset(dsid_raw=1, state=FROZEN).dataset
    assert (answer.name, answer.state, answer.comment) == ("2026/muons", FROZEN, "first light")
    assert admin.UpdateDataset(dsid_raw=1, name="2026/muons", comment="").dataset.comment == ""


def test_frozen_dataset_refuses_events_and_says_so(admin, channel, store):
    """After freezing, the ingest service rejects new events of the dataset until it is opened."""
    store.write(columns(1, [1], 0, 0))
    admin.UpdateDataset(dsid_raw=1, state=FROZEN)
    ingest = ingest_pb2_grpc.IngestServiceStub(channel)
    batch = event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=FUID, dsid_raw=1)],
        run_numbers=[1],
        event_numbers=[8, 9],
        file_indexes=[1, 1],
    )
    (ack,) = ingest.Ingest(iter([batch]), timeout=60)
    assert (ack.inserted, ack.rejected) == (0, 2)
    assert "frozen or retired" in ack.rejections[0].reason
    admin.UpdateDataset(dsid_raw=1, state=OPEN)
    (ack,) = ingest.Ingest(iter([batch]), timeout=60)
    assert ack.inserted == 2


def test_no_writer_commits_after_freezing(admin, store, database_url):
    """Once the answer to a freeze is there, writers that were running add nothing any more."""
    store.write(columns(1, [0], 0, 0))
    closed, progress = threading.Event(), threading.Event()

    def write(run: int) -> None:
        own, event = Store(database_url), 0
        while not closed.is_set():
            outcome = own.write(columns([run, run + 1], [event, event], 0, 0))
            if event == 20:
                progress.set()
            event += 1
            if Outcome.CLOSED_DATASET in outcome:
                closed.set()
        own.close()

    threads = [threading.Thread(target=write, args=(run,)) for run in (2, 4)]
    for thread in threads:
        thread.start()
    assert progress.wait(60)
    frozen = admin.UpdateDataset(dsid_raw=1, state=FROZEN)
    count = "SELECT sum(n_events) FROM raw_file WHERE dsid_raw = 1"
    stored = query(database_url, count)
    assert frozen.dataset.state == FROZEN
    for thread in threads:
        thread.join(60)
    assert closed.is_set()
    assert query(database_url, count) == stored


def test_freezing_waits_for_a_transaction_that_read_the_open_state(admin, store, database_url):
    """A writer in the middle of its transaction holds the answer to a freeze back."""
    store.write(columns(1, [1], 0, 0))
    writer = psycopg2.connect(database_url)
    with writer.cursor() as cursor:
        # What every writer does first: see catalogue.closed_datasets.
        cursor.execute("SELECT pg_advisory_xact_lock_shared(1165379942)")
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(admin.UpdateDataset(dsid_raw=1, state=FROZEN))
        )
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: query(database_url, waiting) == [(1,)], 30, "a waiting freeze")
        assert not answers
        assert query(database_url, "SELECT state FROM dataset WHERE dsid_raw = 1") == [(FROZEN,)]
        writer.commit()
        thread.join(30)
    writer.close()
    assert answers


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"dsid_raw": 77, "comment": "x"}, "NOT_FOUND", "dsid_raw=77"),
        ({"dsid_raw": 2**31, "comment": "x"}, "INVALID_ARGUMENT", "dsid_raw=2147483648"),
        ({"dsid_raw": 1}, "INVALID_ARGUMENT", "nothing to change"),
        ({"dsid_raw": 1, "state": 0}, "INVALID_ARGUMENT", "state=0"),
        ({"dsid_raw": 1, "state": 9}, "INVALID_ARGUMENT", "state=9"),
        ({"dsid_raw": 1, "name": ""}, "INVALID_ARGUMENT", "name=''"),
        ({"dsid_raw": 1, "name": "a\nb"}, "INVALID_ARGUMENT", "name='a\\nb'"),
        ({"dsid_raw": 1, "name": "x" * 256}, "INVALID_ARGUMENT", "256 characters"),
        ({"dsid_raw": 1, "name": "dsid-2"}, "INVALID_ARGUMENT", "dsid-2"),
        ({"dsid_raw": 1, "name": "cosmic.1.2"}, "INVALID_ARGUMENT", "cosmic.1.2"),
        ({"dsid_raw": 1, "name": "taken"}, "ALREADY_EXISTS", "name='taken' is the name of"),
        ({"dsid_raw": 1, "comment": "x" * 4001}, "INVALID_ARGUMENT", "comment="),
    ],
)
def test_bad_change_of_a_dataset(refusing, fields, code, text):
    """A change that cannot be is refused with the field and the value, and changes nothing."""
    admin, url = refusing
    with closing(Store(url)) as store:
        store.write(columns(1, [1, 2], 0, [0, 1]))
    admin.UpdateDataset(dsid_raw=2, name="taken")
    got, details = refused(admin.UpdateDataset, **fields)
    assert (got.name, text in details) == (code, True), details
    assert admin.UpdateDataset(dsid_raw=1, comment="").dataset.name == "dsid-1"


def test_delete_streams_progress_and_can_be_called_again(admin, store, database_url):
    """A deletion that is cut off after its first transaction is finished by the next call."""
    assert refused(admin.DeleteDataset, dsid_raw=5)[0] is grpc.StatusCode.NOT_FOUND
    numbers = range(0, 300 * SLOTS_PER_PAGE, 2000)
    store.write(columns(1, numbers, 0, [i % 2 for i in range(len(numbers))]))
    code, text = refused(admin.DeleteDataset, dsid_raw=1)
    assert (code, "dsid_raw=1 is open" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    admin.UpdateDataset(dsid_raw=1, state=RETIRED)
    total = -(-len(numbers) // 2)
    call = admin.DeleteDataset(dsid_raw=1)
    first, second = next(call), next(call)
    assert (first.events_removed, first.events_left) == (0, total)
    assert 0 < second.events_removed < total
    assert second.events_removed + second.events_left == total
    call.cancel()
    last = list(admin.DeleteDataset(dsid_raw=1))[-1]
    assert last.events_left == 0
    assert differences(database_url) == []
    assert {dsid for _, dsid, _ in events(database_url).values()} == {2}
    assert len(events(database_url)) == len(numbers) // 2
    again = list(admin.DeleteDataset(dsid_raw=1))
    assert [(answer.events_removed, answer.events_left) for answer in again] == [(0, 0)] * 2
    assert admin.UpdateDataset(dsid_raw=1, comment="deleted").dataset.events == 0


def test_deleting_a_telescope_takes_its_records(admin, channel, database_url):
    """Records of the telescope's dataset go, another detector's of the same run stay."""
    send_cosmic(channel, "7", cosmic_line(1), cosmic_line(2))
    assert send_cosmic(channel, "8", cosmic_line(2), cosmic_line(3)).inserted == 2
    numbers = dict(query(database_url, "SELECT name, dsid_raw FROM dataset"))
    records = "SELECT detector_id, event_number FROM cosmic_event ORDER BY 1, 2"
    dsid = numbers["cosmic.8.5"]
    assert refused(admin.UpdateDataset, dsid_raw=dsid, name="mine")[0].name == "FAILED_PRECONDITION"
    admin.UpdateDataset(dsid_raw=dsid, state=RETIRED)
    assert list(admin.DeleteDataset(dsid_raw=dsid))[-1].events_removed == 2
    assert query(database_url, records) == [("7", 1), ("7", 2)]
    assert differences(database_url) == []


def test_calls_outlive_lost_connections(admin, store, database_url):
    """A connection that broke while it was idle costs no call, repeatable or not."""
    store.write(columns(1, [1], 5, 0))
    store.write(columns(1, [1], 6, 1))
    store.add_dead_letters([letter("{")])
    calls = (
        lambda: admin.UpdateDataset(dsid_raw=1, comment="x"),
        lambda: admin.ResolveConflict(conflict_id=1, resolution=KEEP, resolved_by="anna"),
        lambda: admin.DiscardDeadLetter(dead_letter_id=1),
    )
    for call in calls:
        for _ in range(3):
            admin.ListCriteria()
        query(
            database_url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name LIKE '%%admin' AND datname = current_database()",
        )
        call()
