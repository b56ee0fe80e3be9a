"""Deleting datasets: every transaction leaves the index exact, and it can end anywhere."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from event_store.admin import delete
from event_store.admin.datasets import DatasetChange, update_dataset
from event_store.errors import WrongStateError
from event_store.model import DatasetState, Outcome
from event_store.write.writer import Store
from tests.conftest import query
from tests.support.admin import (
    FILES,
    check_lookups,
    columns,
    connect,
    differences,
    files_of,
    make_reader,
)


@pytest.fixture
def connection(database_url):
    opened = connect(database_url)
    yield opened
    opened.close()


@pytest.fixture
def store(database_url):
    opened = Store(database_url)
    yield opened
    opened.close()


def set_state(connection, dsid, state):
    update_dataset(connection, DatasetChange(dsid, state=state))


def delete_all(connection, dsid):
    deletion = delete.begin(connection, dsid)
    for run in deletion.runs:
        while delete.delete_some(connection, deletion, run):
            pass
    while delete.delete_records(connection, deletion):
        pass


@pytest.mark.parametrize("seed", range(4))
def test_datasets_come_and_go(database_url, connection, store, monkeypatch, seed):
    """After any mix of writes and deletions, whole or in part, lookups and counts are right."""
    monkeypatch.setattr(delete, "PAGES_PER_TRANSACTION_MAX", 2)
    rng = np.random.default_rng(seed)
    reader, model, seen = make_reader(), {}, set()
    for _ in range(10):
        run, n = int(rng.integers(0, 3)), int(rng.choice([1, 40, 3000]))
        span = int(rng.choice([600, 5 * 8192, 2**40 if n < 3000 else 9 * 8192]))
        events, index = rng.integers(0, span, n), rng.integers(0, len(FILES), n)
        if rng.random() < 0.5:
            index = np.sort(index)[np.argsort(np.argsort(events, kind="stable"))]
        olt = rng.integers(0, 2**12, n).astype(np.uint64)
        store.write(columns(run, events, olt, index))
        for event, file, bits in zip(events.tolist(), index.tolist(), olt.tolist(), strict=True):
            model.setdefault((run, event), (FILES[file], bits))
            seen.add((run, event))
        dsid = int(rng.integers(1, 4))
        if not query(database_url, "SELECT FROM dataset WHERE dsid_raw = %s", (dsid,)):
            continue
        set_state(connection, dsid, DatasetState.RETIRED)
        delete_in_part(connection, dsid, rng, model)
        set_state(connection, dsid, DatasetState.OPEN)
        assert differences(database_url) == []
        check_lookups(reader, database_url, model, [*seen, (run, 2**41), (9, 1)])
    for dsid in (1, 2, 3):
        set_state(connection, dsid, DatasetState.FROZEN)
        delete_all(connection, dsid)
    assert differences(database_url) == []
    check_lookups(reader, database_url, {}, list(seen))
    assert query(
        database_url,
        "SELECT (SELECT sum(n_events) FROM run), (SELECT count(*) FROM raw_file), "
        "(SELECT count(*) FROM event_conflict), (SELECT count(*) FROM events), "
        "(SELECT count(*) FROM dataset)",
    ) == [(0, 0, 0, 0, 3)]


def delete_in_part(connection, dsid, rng, model):
    """Run some of a deletion's transactions; take what went out of the model."""
    deletion = delete.begin(connection, dsid)
    assert deletion.events == sum(file.dsid == dsid for file, _ in model.values())
    for run in deletion.runs:
        if rng.random() < 0.3:
            return
        while removed := delete.delete_some(connection, deletion, run):
            own = sorted(k for k, v in model.items() if k[0] == run and v[0].dsid == dsid)
            assert removed <= len(own)
            for key in own[:removed]:
                del model[key]
            if rng.random() < 0.2:
                return


def test_an_emptied_run_takes_events_again(database_url, connection, store):
    """Pages stay when they are emptied; the same events can be stored again, at the edges too."""
    events = [0, 5, 3 * 8192, 9 * 8192 + 1]
    for _ in range(2):
        assert (store.write(columns(7, events, 3, 0)) == Outcome.INSERTED).all()
        set_state(connection, 1, DatasetState.RETIRED)
        delete_all(connection, 1)
        assert query(database_url, "SELECT n_events, first_event FROM run") == [(0, None)]
        assert query(database_url, "SELECT count(*), sum(n_events) FROM event_page") == [(3, 0)]
        assert query(database_url, "SELECT * FROM lookup_event(7, 5)") == []
        assert (store.write(columns(7, events, 3, 0)) == Outcome.CLOSED_DATASET).all()
        set_state(connection, 1, DatasetState.OPEN)
    assert (store.write(columns(7, events, 3, 0)) == Outcome.INSERTED).all()
    assert differences(database_url) == []


def test_ingest_goes_on_while_a_dataset_is_deleted(database_url, connection, store, monkeypatch):
    """Events of other datasets that come into the same pages meanwhile are neither lost nor hit."""
    monkeypatch.setattr(delete, "PAGES_PER_TRANSACTION_MAX", 1)
    pages = range(0, 60 * 8192, 8192)
    store.write(columns(1, [page + i for page in pages for i in range(20)], 0, 0))
    set_state(connection, 1, DatasetState.RETIRED)
    written, started = [], threading.Event()

    def write():
        own = Store(database_url)
        for turn in range(40):
            batch = [page + 100 + turn for page in pages[turn % 7 :: 7]]
            own.write(columns(1, batch, 0, 1))
            written.extend(batch)
            started.set()
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert started.wait(60)
    delete_all(connection, 1)
    writer.join(60)
    found = query(database_url, "SELECT event_number, dsid_raw FROM events ORDER BY 1")
    assert found == [(event, 2) for event in sorted(written)]
    assert differences(database_url) == []


def test_first_and_last_events_of_files_that_are_left_in_part(
    database_url, connection, store, monkeypatch
):
    """Between two transactions a file that is deleted in part has its true first event."""
    monkeypatch.setattr(delete, "PAGES_PER_TRANSACTION_MAX", 1)
    store.write(columns(1, [3, 8192 * 2, 8192 * 40, 8192 * 41], 0, [0, 0, 3, 0]))
    store.write(columns(1, [4, 8192 * 50], 0, 1))
    set_state(connection, 1, DatasetState.FROZEN)
    deletion = delete.begin(connection, 1)
    assert delete.delete_some(connection, deletion, 1) == 1
    first = (str(FILES[0].fuid), 1)
    assert files_of(database_url)[first] == (2, 8192 * 2, 8192 * 41)
    assert delete.delete_some(connection, deletion, 1) == 1
    assert files_of(database_url)[first] == (1, 8192 * 41, 8192 * 41)
    assert differences(database_url) == []
    assert delete.begin(connection, 1).events == 2


def test_conflicts_go_with_their_event_and_others_stay(database_url, connection, store):
    """A conflict is deleted when its stored event is, not when only its offer is of the dataset."""
    store.write(columns(1, [1, 2, 3], 0, [0, 1, 1]))
    store.write(columns(1, [1, 2], 0, [1, 0]))
    assert query(database_url, "SELECT count(*) FROM event_conflict") == [(2,)]
    set_state(connection, 1, DatasetState.RETIRED)
    delete_all(connection, 1)
    assert query(database_url, "SELECT event_number, offered_dsid_raw FROM event_conflict") == [
        (2, 1)
    ]
    assert query(database_url, "SELECT event_number FROM events ORDER BY 1") == [(2,), (3,)]


def test_a_dataset_that_is_opened_meanwhile_is_left_alone(connection, store):
    """Deleting ends with an error when somebody opens the dataset between two transactions."""
    store.write(columns(1, [1], 0, 0))
    with pytest.raises(WrongStateError, match="dsid_raw=1 is open"):
        delete.begin(connection, 1)
    set_state(connection, 1, DatasetState.RETIRED)
    deletion = delete.begin(connection, 1)
    set_state(connection, 1, DatasetState.OPEN)
    with pytest.raises(WrongStateError, match="dsid_raw=1 is open"):
        delete.delete_some(connection, deletion, 1)
