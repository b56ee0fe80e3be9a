"""Lookups through the cache against a dictionary, in a cache that is much too small."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.lookup.olt import olt_results
from event_store.lookup.reader import Reader, ServerChangedError
from event_store.model import RawFile
from event_store.write.writer import Store
from tests.conftest import execute, query
from tests.support.reader import check, columns
from tests.support.store import reply


@pytest.mark.parametrize(
    ("cache_bytes", "steps"),
    [
        (1 << 26, 5),
        pytest.param(1 << 20, 12, marks=pytest.mark.slow),
        pytest.param(1 << 26, 12, marks=pytest.mark.slow),
    ],
)
def test_lookups_follow_every_write(database_url, connection, cache_bytes, steps):
    """Dense, sparse, many-file and absent pages, written and looked up in turn."""
    rng = np.random.default_rng(3)
    files = [RawFile(uuid.UUID(int=i + 1), i % 5) for i in range(3000)]
    store, reader, model = Store(database_url), Reader(cache_bytes, reply), {}
    for step in range(steps):
        run = int(rng.integers(0, 3))
        n = int(rng.choice([1, 50, 3000, 10000]))
        span = int(rng.choice([8192, 200 * 8192, 2**40]))
        events = rng.choice(span, n, replace=n > span) if span < 2**30 else rng.integers(0, span, n)
        index = rng.integers(0, int(rng.choice([1, 20, 300, 3000])), n)
        olt = rng.integers(0, 2 ** int(rng.choice([1, 12, 63])), n).astype(np.uint64)
        store.write(columns(np.full(n, run), events, olt, index, files))
        for event, i, bits in zip(events.tolist(), index.tolist(), olt.tolist(), strict=True):
            model.setdefault((run, event), (files[i], bits))
        pairs = list(model)
        known = np.array([pairs[at] for at in rng.integers(0, len(pairs), 4000).tolist()])
        runs = np.concatenate([known[:, 0], rng.integers(0, 6, 200)])
        wanted = np.concatenate([known[:, 1], rng.integers(0, 2**41, 200)])
        check(reader, connection, model, runs, wanted, with_olt=bool(step % 2))
        check(reader, connection, model, [run], wanted, with_olt=bool(step % 3))
        check(reader, connection, model, runs, wanted, with_olt=False)
        assert reader.cache.nbytes <= 1.05 * cache_bytes + 3_000_000 * (cache_bytes < 1 << 21)
    store.close()
    if cache_bytes < 1 << 21:
        assert reader.cache.counts.evictions


def test_a_warm_lookup_reads_no_page(database_url, connection, monkeypatch):
    """A second lookup asks for generations alone, also when other runs changed."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    files = [RawFile(uuid.UUID(int=1), 1)]
    events = np.arange(20_000)
    store.write(columns(np.ones(20_000), events, events % 7, np.zeros(20_000), files))
    runs = np.ones(1, np.int64)
    reader.lookup(connection, runs, events)
    store.write(columns([2], [1], [0], [0], files))
    store.close()

    def fail(*_args, **_kwargs):
        raise AssertionError("a page was read")

    monkeypatch.setattr("event_store.lookup.reader.copy_rows", fail)
    answer = reader.lookup(connection, runs, events)
    assert (answer.file_indexes == 1).all()
    assert reader.cache.counts.hits == 20_000


def test_the_dataset_state_is_read_with_the_request(database_url, connection):
    """A change of a dataset's state shows in the next answer."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    store.write(columns([1], [1], [0], [0], [RawFile(uuid.UUID(int=1), 9)]))
    store.close()
    states = []
    for state in (1, 3, 1):
        execute(database_url, f"UPDATE dataset SET state = {state} WHERE dsid_raw = 9")
        answer = reader.lookup(connection, np.array([1]), np.array([1]))
        states.append(answer.files[0][2])
    assert states == [1, 3, 1]


def test_another_server_empties_the_cache(database_url, connection):
    """After a restore behind the same address no cached page answers."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    store.write(columns([1], [1], [0], [0], [RawFile(uuid.UUID(int=1), 9)]))
    store.close()
    pair = (np.array([1]), np.array([1]))
    assert reader.lookup(connection, *pair).file_indexes.tolist() == [1]
    execute(
        database_url,
        "UPDATE event_page SET n_events = 0, slots = '{}', fuids = '{}', "
        "dsids = '{}', file_planes = '', olt_planes = ''",
    )
    connection.close()
    reader._server = "another server"
    assert reader.lookup(connection, *pair).file_indexes.tolist() == [0]


def test_olt_results_are_made_while_others_use_the_cache(database_url, connection, monkeypatch):
    """Page by page, cold and warm, and the reader's lock is free meanwhile."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    files, events = [RawFile(uuid.UUID(int=1), 1)], np.arange(300) * 5000
    store.write(columns(np.ones(300), events, events + 7, np.zeros(300), files))
    store.close()
    locked = []

    def make(*args):
        locked.append(reader._lock.locked())
        return olt_results(*args)

    monkeypatch.setattr("event_store.lookup.batch.olt_results", make)
    for _ in range(2):
        answer = reader.lookup(connection, np.ones(1, np.int64), events, with_olt=True)
        assert (answer.olt == events + 7).all()
    assert locked
    assert not any(locked)


def test_another_server_brings_its_own_dataset_states(database_url, connection, monkeypatch):
    """A thread that meets another server in the middle of a lookup leaves no states of it."""
    store, reader = Store(database_url), Reader(1 << 24, reply)
    store.write(columns([1], [1], [0], [0], [RawFile(uuid.UUID(int=1), 9)]))
    store.close()
    execute(database_url, "UPDATE dataset SET state = 3 WHERE dsid_raw = 9")
    pair = (np.array([1]), np.array([1]))
    assert reader.lookup(connection, *pair).files[0][2] == 3

    class Meeting:
        """A lock before which a thread of the other server was first."""

        def __enter__(self):
            reader._server, reader._lock = "another server", lock
            reader.cache.clear()
            reader.cache.files.set_closed_datasets({})
            lock.acquire()

        def __exit__(self, *_):
            lock.release()

    lock = reader._lock
    monkeypatch.setattr(reader, "_lock", Meeting())
    with pytest.raises(ServerChangedError):
        reader.lookup(connection, *pair)
    assert reader.lookup(connection, *pair).files[0][2] == 3


def test_the_view_and_lookup_event_agree_with_lookups(database_url, connection):
    """`events` has the seed's five columns and the content that lookups give."""
    rng = np.random.default_rng(5)
    files = [RawFile(uuid.UUID(int=i + 1), i) for i in range(300)]
    store, reader = Store(database_url), Reader(1 << 24, reply)
    for run, n in ((1, 100), (2, 6000)):
        events = rng.choice(8192, n, replace=False)
        olt = rng.integers(0, 2**64, n, dtype=np.uint64)
        store.write(columns(np.full(n, run), events, olt, rng.integers(0, 300, n), files))
    store.close()
    rows = query(
        database_url,
        "SELECT run_number, event_number, olt_result, dsid_raw, fuid_raw::text FROM events",
    )
    assert len(rows) == 6100
    runs, events = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    answer = reader.lookup(connection, runs, events, with_olt=True)
    for row, place, olt in zip(rows, answer.file_indexes.tolist(), answer.olt, strict=True):
        fuid, dsid, _ = answer.files[place - 1]
        assert (row[2] % 2**64, row[3], row[4]) == (int(olt), dsid, str(fuid))
    some = rows[::97]
    for row in some:
        [found] = query(
            database_url,
            "SELECT run_number, event_number, olt_result, dsid_raw, fuid_raw::text "
            "FROM lookup_event(%s, %s)",
            row[:2],
        )
        assert found == row
