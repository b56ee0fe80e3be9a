"""The store against a dictionary in which the first value of an event wins."""

from __future__ import annotations

import threading
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_store.database.migrate import migrate
from event_store.model import EventColumns, Outcome, RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query

FILES = [RawFile(uuid.uuid5(uuid.NAMESPACE_URL, f"file{i}"), i % 3) for i in range(40)]


def columns(events, files=FILES, source="test") -> EventColumns:
    """Columns from (run, event, olt, file index) tuples."""
    runs, numbers, olt, file_index = zip(*events, strict=True) if events else ((), (), (), ())
    return EventColumns(
        np.array(runs, np.int64),
        np.array(numbers, np.int64),
        np.array(olt, np.uint64),
        np.array(file_index, np.int32),
        files,
        np.zeros(len(events), np.int32),
        [source],
    )


def stored_events(url):
    """What the `events` view holds, as the dictionary model has it."""
    return {
        (run, event): (olt % 2**64, dsid, str(fuid))
        for run, event, olt, dsid, fuid in query(
            url,
            "SELECT run_number, event_number, olt_result, dsid_raw, fuid_raw::text FROM events",
        )
    }


def apply(model, events, files=FILES):
    """Put a batch into the dictionary; the outcome of each event."""
    outcomes = []
    for run, event, olt, index in events:
        value = (olt, files[index].dsid, str(files[index].fuid))
        if (run, event) not in model:
            model[run, event] = value
            outcomes.append(Outcome.INSERTED)
        elif model[run, event] == value:
            outcomes.append(Outcome.DUPLICATE)
        else:
            outcomes.append(Outcome.CONFLICT)
    return outcomes


numbers = st.one_of(
    st.integers(0, 30), st.integers(8180, 8200), st.integers(0, 2**63 - 1), st.just(2**63 - 1)
)
olts = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1), st.just(2**64 - 1))
batches = st.lists(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 2), st.just(2**63 - 1)),
            numbers,
            olts,
            st.integers(0, len(FILES) - 1),
        ),
        max_size=40,
    ),
    max_size=5,
)


@given(batches)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_batches_give_the_dictionary(database_url, offered):
    """Any batches, with repeats and in any order, give first-value-wins in index and counts."""
    execute(
        database_url, "TRUNCATE run, event_page, raw_file, event_conflict, dataset, cosmic_event"
    )
    store, model = Store(database_url), {}
    conflicts = 0
    for batch in offered:
        expected = apply(model, batch)
        assert store.write(columns(batch)).tolist() == expected
        conflicts += expected.count(Outcome.CONFLICT)
    store.close()
    assert stored_events(database_url) == model
    assert query(database_url, "SELECT coalesce(sum(n_events), 0) FROM run") == [(len(model),)]
    assert query(database_url, "SELECT coalesce(sum(n_events), 0) FROM raw_file") == [(len(model),)]
    assert query(database_url, "SELECT coalesce(sum(times), 0) FROM event_conflict") == [
        (conflicts,)
    ]
    for (run, event), value in list(model.items())[:5]:
        [(found_run, found_event, olt, dsid, fuid)] = query(
            database_url, "SELECT * FROM lookup_event(%s, %s)", (run, event)
        )
        assert ((found_run, found_event), (olt % 2**64, dsid, fuid)) == ((run, event), value)


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 8192])
def test_a_page_of_any_size_reads_back(database_url, size):
    """Sparse pages, dense ones and the change between them hold the same events."""
    rng = np.random.default_rng(size)
    slots = rng.choice(8192, size, replace=False)
    files = [RawFile(uuid.UUID(int=i), 7) for i in range(size)]
    events = [
        (5, 3 * 8192 + int(slot), int(rng.integers(0, 2**64, dtype=np.uint64)), index)
        for index, slot in enumerate(slots)
    ]
    store, model = Store(database_url), {}
    for part in (events[: size // 2], events[size // 3 :]):
        assert store.write(columns(part, files)).tolist() == apply(model, part, files)
    store.close()
    assert stored_events(database_url) == model


@pytest.mark.slow
def test_a_large_batch_over_many_runs_and_pages(database_url):
    """A batch that needs several transactions is stored whole."""
    rng = np.random.default_rng(1)
    n = 30_000
    runs = rng.integers(0, 600, n)
    events = rng.integers(0, 20 * 8192, n)
    batch = EventColumns(
        runs,
        events,
        rng.integers(0, 2**12, n).astype(np.uint64),
        rng.integers(0, len(FILES), n).astype(np.int32),
        FILES,
        np.zeros(n, np.int32),
        ["test"],
    )
    distinct = len({*zip(runs.tolist(), events.tolist(), strict=True)})
    store = Store(database_url)
    outcome = store.write(batch)
    assert np.bincount(outcome)[Outcome.INSERTED] == distinct
    again = store.write(batch)
    assert not (again == Outcome.INSERTED).any()
    assert (again[outcome == Outcome.INSERTED] == Outcome.DUPLICATE).all()
    store.close()
    assert query(database_url, "SELECT sum(n_events) FROM event_page") == [(distinct,)]


def test_writers_of_the_same_runs_do_not_deadlock_or_lose(database_url):
    """Four writers on the same runs and pages at once: every event once, no error."""
    problems = []

    def offer(seed):
        rng = np.random.default_rng(seed)
        store = Store(database_url)
        try:
            for _ in range(10):
                runs = rng.integers(0, 20, 200)
                events = [(int(run), int(rng.integers(0, 500)), 0, int(run)) for run in runs]
                store.write(columns(events))
        except Exception as error:  # noqa: BLE001  # told by the test
            problems.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=offer, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    [(pages, runs, distinct)] = query(
        database_url,
        "SELECT (SELECT sum(n_events) FROM event_page), (SELECT sum(n_events) FROM run), "
        "(SELECT count(*) FROM (SELECT DISTINCT run_number, event_number FROM events) e)",
    )
    assert pages == runs == distinct


def test_a_frozen_dataset_takes_no_new_events(database_url):
    """New events of a frozen dataset are refused; stored ones that come again are duplicates."""
    store = Store(database_url)
    store.write(columns([(1, 1, 0, 0)]))
    execute(database_url, "UPDATE dataset SET state = 2 WHERE dsid_raw = 0")
    again, other_mask = (1, 1, 0, 0), (1, 1, 7, 0)
    new, open_dataset, new_run = (1, 2, 0, 0), (1, 3, 0, 1), (2, 4, 0, 0)
    outcome = store.write(columns([new, open_dataset, new_run, again, other_mask, new]))
    store.close()
    assert outcome.tolist() == [
        Outcome.CLOSED_DATASET,
        Outcome.INSERTED,
        Outcome.CLOSED_DATASET,
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
        Outcome.CLOSED_DATASET,
    ]
    assert {event for _, event in stored_events(database_url)} == {1, 3}


def test_a_conflict_keeps_both_values_and_counts_offers(database_url):
    """A conflict shows what was stored and what was offered, once for each distinct offer."""
    store = Store(database_url)
    store.write(columns([(1, 1, 5, 0)], source="first"))
    for _ in range(2):
        other_file = (1, 1, 5, 1)
        store.write(columns([(1, 1, 2**64 - 1, 0), other_file, other_file], source="second"))
    store.close()
    rows = query(
        database_url,
        "SELECT stored_olt_result, stored_fuid_raw, offered_olt_result, offered_fuid_raw, source, "
        "times FROM event_conflict ORDER BY conflict_id",
    )
    first, other = str(FILES[0].fuid), str(FILES[1].fuid)
    assert rows == [(5, first, -1, first, "second", 2), (5, first, 5, other, "second", 4)]


def test_telescope_datasets_get_the_first_free_numbers(database_url):
    """Telescope datasets are numbered from 2^30 up, by name, around numbers that are taken."""
    store = Store(database_url)
    taken = [RawFile(uuid.UUID(int=1), 2**30 + 1)]
    store.write(columns([(1, 1, 0, 0)], taken))
    found = store.cosmic_datasets(["cosmic.0.1", "cosmic.0.2"])
    own = store.collections(["cosmic.0"])["cosmic.0"]
    assert found == {"cosmic.0.1": (2**30, own), "cosmic.0.2": (2**30 + 2, own)}
    assert store.cosmic_datasets(["cosmic.0.2"])["cosmic.0.2"].dsid == 2**30 + 2
    store.close()


def test_migrate_twice_and_from_two_processes_at_once(postgres):
    """Each migration is applied once, whoever comes first; a second call does nothing."""
    execute(postgres.url(), "CREATE DATABASE migrate_twice")
    url = postgres.url("migrate_twice")
    applied = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(applied) == 4
    assert sum(1 for names in applied if names) == 1
    assert migrate(url) == []
