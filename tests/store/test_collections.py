"""Collections in the store: an event has one home in each, and they never see each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from event_store.admin import collections, delete, verify
from event_store.database import migrate as migrations
from event_store.database.migrate import migrate
from event_store.errors import (
    NameTakenError,
    StoreUnavailableError,
    UnknownCollectionError,
    WrongStateError,
)
from event_store.lookup import reader as reading
from event_store.model import DatasetState, Outcome, RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query
from tests.support.admin import FILES, columns, connect, differences, make_reader

FIRST_RELEASE = 10
FIRST_RELEASE_DATA = Path(__file__).with_name("first_release.sql")


@pytest.fixture
def admin(database_url):
    connection = connect(database_url)
    yield connection
    connection.close()


@pytest.fixture
def store(database_url):
    store = Store(database_url)
    yield store
    store.close()


def make(admin, name, made_from="") -> int:
    return collections.create(admin, name, made_from, "", 100).collection_id


def batch(collection, events, dsid, fuid=0, run=7, olt=0):
    files = [RawFile(file.fuid, dsid) for file in FILES]
    return replace(columns(run, events, olt, fuid, files), collection=collection)


def found(reader, url, run, events, collection="raw"):
    """The place of each event's file, None where it is not found."""
    connection = connect(url, autocommit=True)
    try:
        answer = reader.lookup(connection, np.array([run]), np.array(events), collection=collection)
    finally:
        connection.close()
    ids = [None, *(FILES.index(RawFile(fuid, FILES_DSID[fuid])) for fuid, _ in answer.files)]
    return [ids[index] for index in answer.file_indexes.tolist()]


FILES_DSID = {file.fuid: file.dsid for file in FILES}


def check_all(url):
    """Verify every run of every collection."""
    connection = connect(url)
    run, problems = verify.next_run(connection, 0, 2**63 - 1), []
    while run is not None:
        for number, _ in verify.collections_of_run(connection, run):
            problems += verify.verify_run(connection, run, lambda: False, number).differences
        run = verify.next_run(connection, run + 1, 2**63 - 1)
    connection.close()
    assert problems == []


def test_an_event_has_a_home_in_each_collection(admin, store, database_url):
    """The same run and event is another event in another collection; none is a conflict."""
    aod, reco = make(admin, "aod"), make(admin, "reco")
    for number, (collection, fuid) in enumerate([(0, 0), (aod, 1), (reco, 2)]):
        events = [5, 9000, *range(20_000, 21_000)]
        outcome = store.write(batch(collection, events, 50 + number, fuid))
        assert set(outcome.tolist()) == {Outcome.INSERTED}
    reader = make_reader()
    for name, fuid in (("raw", 0), ("aod", 1), ("reco", 2), ("aod", 1), ("raw", 0)):
        assert found(reader, database_url, 7, [5, 6, 9000, 20_500], name) == [
            fuid,
            None,
            fuid,
            fuid,
        ]
    assert query(database_url, "SELECT count(*) FROM events")[0][0] == 1002
    assert query(
        database_url,
        "SELECT collection, count(*) FROM collection_events GROUP BY 1 ORDER BY 1",
    ) == [("aod", 1002), ("raw", 1002), ("reco", 1002)]
    assert not query(database_url, "SELECT * FROM event_conflict")
    check_all(database_url)


def test_a_warm_cache_sees_new_events_of_each_collection_at_once(admin, store, database_url):
    """What was committed before a lookup is found, whatever was cached of other collections."""
    aod = make(admin, "aod")
    reader = make_reader()
    for last in range(1, 6):
        store.write(batch(0, range(last), 50, 0))
        assert found(reader, database_url, 7, range(6)) == [0] * last + [None] * (6 - last)
        store.write(batch(aod, range(2 * last), 51, 3))
        expected = [3] * (2 * last) + [None] * (10 - 2 * last)
        assert found(reader, database_url, 7, range(10), "aod") == expected


def test_more_collections_than_the_cache_numbers_are_answered(
    admin, store, database_url, monkeypatch
):
    """A reader that has seen more collections than it can tell apart forgets, and is right."""
    monkeypatch.setattr(reading, "_COLLECTIONS_MAX", 3)
    names = [f"c{number}" for number in range(6)]
    for number, name in enumerate(names):
        store.write(batch(make(admin, name), [number], 50 + number, number))
    reader = make_reader()
    for _ in range(2):
        for number, name in enumerate(names):
            expected = [number if event == number else None for event in range(6)]
            assert found(reader, database_url, 7, range(6), name) == expected


def test_a_dataset_belongs_to_the_collection_of_its_first_event(admin, store, database_url):
    """Offered in another collection a dataset is refused, even for an event that is stored."""
    aod = make(admin, "aod")
    store.write(batch(0, [1], 50))
    store.write(batch(aod, [1], 51))
    assert store.write(batch(aod, [1, 2], 50)).tolist() == [Outcome.OTHER_COLLECTION] * 2
    assert not query(database_url, "SELECT * FROM event_conflict")
    check_all(database_url)


def test_a_frozen_collection_takes_no_new_events(admin, store):
    """New events are refused while the collection is closed, repeated ones are duplicates."""
    aod = make(admin, "aod")
    store.write(batch(aod, [1], 50))
    change = collections.CollectionChange("aod", DatasetState.FROZEN)
    assert collections.update(admin, change).state == DatasetState.FROZEN
    outcome = store.write(batch(aod, [1, 2], 50))
    assert outcome.tolist() == [Outcome.DUPLICATE, Outcome.CLOSED_COLLECTION]
    assert store.write(batch(0, [1, 2], 52)).tolist() == [Outcome.INSERTED] * 2
    collections.update(admin, replace(change, state=DatasetState.OPEN))
    assert store.write(batch(aod, [2], 50)).tolist() == [Outcome.INSERTED]


def test_a_deleted_collection_leaves_the_others_and_its_name(
    admin, store, database_url, monkeypatch
):
    """It goes run by run in bounded transactions; its name is free and its datasets are gone."""
    monkeypatch.setattr(collections, "PAGES_PER_TRANSACTION_MAX", 2)
    aod = make(admin, "aod")
    for run in (7, 8):
        store.write(batch(0, range(0, 50_000, 5000), 50, run=run))
        store.write(batch(aod, range(0, 50_000, 5000), 51, 1, run=run))
    with pytest.raises(WrongStateError, match="open"):
        collections.begin_delete(admin, "aod")
    collections.update(admin, collections.CollectionChange("aod", DatasetState.RETIRED))
    deletion = collections.begin_delete(admin, "aod")
    steps = 0
    while collections.delete_some(admin, deletion):
        steps += 1
        check_all(database_url) if steps == 8 else None
    assert steps > 4
    collections.end_delete(admin, deletion)
    check_all(database_url)
    again = make(admin, "aod")
    assert again > aod
    # The writer remembers the old number and the dataset, finds out, and is told to try again.
    with pytest.raises(StoreUnavailableError):
        store.write(batch(again, [3], 51, 2))
    assert store.collections(["aod"])["aod"] == again
    assert store.write(batch(again, [3], 51, 2)).tolist() == [Outcome.INSERTED]
    assert found(make_reader(), database_url, 7, [0, 3], "aod") == [None, 2]
    assert query(database_url, "SELECT count(*) FROM events")[0][0] == 20
    check_all(database_url)


def test_what_cannot_be_a_collection_is_refused(admin):
    """A name that is taken, too many, an unknown source, 'raw' deleted: each is named."""
    make(admin, "aod")
    make(admin, "dpd", "aod")
    with pytest.raises(NameTakenError, match="aod"):
        make(admin, "aod")
    with pytest.raises(UnknownCollectionError, match="esd"):
        make(admin, "x", "esd")
    with pytest.raises(WrongStateError, match="3 collections"):
        collections.create(admin, "y", "", "", 3)
    with pytest.raises(WrongStateError, match="raw"):
        collections.begin_delete(admin, "raw")
    collections.update(admin, collections.CollectionChange("aod", DatasetState.FROZEN))
    with pytest.raises(WrongStateError, match="dpd"):
        collections.begin_delete(admin, "aod")


def test_deleting_a_dataset_stays_in_its_collection(admin, store, database_url):
    """Events of a deleted dataset go from its collection alone."""
    aod = make(admin, "aod")
    store.write(batch(0, range(100), 50, 0))
    store.write(batch(aod, range(100), 51, 1))
    execute(database_url, "UPDATE dataset SET state = 2 WHERE dsid_raw = 51")
    deletion = delete.begin(admin, 51)
    while delete.delete_some(admin, deletion, 7):
        pass
    reader = make_reader()
    assert found(reader, database_url, 7, [5], "aod") == [None]
    assert found(reader, database_url, 7, [5]) == [0]
    check_all(database_url)


def test_a_database_of_the_first_release_is_upgraded(postgres, monkeypatch):
    """What was stored before there were collections is found in 'raw', and can be added to."""
    execute(postgres.url(), "CREATE DATABASE first_release")
    url = postgres.url("first_release")
    known = migrations.migrations()
    first = {number: one for number, one in known.items() if number <= FIRST_RELEASE}
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "migrations", lambda: first)
        patched.setattr(migrations.roles, "prepare", lambda _: None)  # of later tables
        migrate(url)
    execute(url, FIRST_RELEASE_DATA.read_text())
    before = query(url, "SELECT * FROM events ORDER BY 1, 2")
    assert len(before) == 1_203
    assert migrate(url) == [name for number, (name, _) in known.items() if number > FIRST_RELEASE]
    assert query(url, "SELECT * FROM events ORDER BY 1, 2") == before
    assert query(url, "SELECT count(*), min(collection) FROM collection_events") == [(1_203, "raw")]
    assert differences(url) == []
    assert query(url, "SELECT count(*) FROM lookup_event(7, 100)") == [(1,)]
    store = Store(url)
    old = [file for file in FILES if file.dsid == 1]
    offered = columns(7, [100, 90_000], 0, 0, old)
    assert store.write(offered).tolist() == [Outcome.DUPLICATE, Outcome.INSERTED]
    assert store.write(columns(7, [100], 1, 0, old)).tolist() == [Outcome.CONFLICT]
    admin = connect(url)
    aod = make(admin, "aod")
    assert store.write(batch(aod, [100], 99)).tolist() == [Outcome.INSERTED]
    store.close()
    admin.close()
    check_all(url)
    execute(postgres.url(), "DROP DATABASE first_release WITH (FORCE)")
