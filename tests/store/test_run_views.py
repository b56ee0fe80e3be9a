"""Warm batches of one run, answered by a view of where its pages lie."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from event_store.lookup.reader import Reader
from event_store.model import RawFile
from event_store.write.writer import Store
from tests.support.reader import check, columns
from tests.support.store import reply

PAGES, SLOTS = 20, 8192
FILES = [RawFile(uuid.UUID(int=i + 1), i % 3) for i in range(400)]


def write(store, model, run, events, n_files):
    """Store events of a run, and note them in the model."""
    random = np.random.default_rng(len(model))
    index = random.integers(0, n_files, len(events))
    store.write(columns(np.full(len(events), run), events, events % 5, index, FILES[:n_files]))
    for event, i in zip(events.tolist(), index.tolist(), strict=True):
        model.setdefault((run, event), (FILES[i], event % 5))


@pytest.mark.parametrize("cache_bytes", [1 << 26, 1 << 18])
@pytest.mark.parametrize("n_files", [10, 400])
def test_a_run_is_answered_right_whatever_changes_between(
    database_url, connection, n_files, cache_bytes
):
    """Dense, sparse and absent pages, other runs, new events and pages: each answer is right."""
    random = np.random.default_rng(6)
    store, reader, model = Store(database_url), Reader(cache_bytes, reply), {}
    dense = np.flatnonzero(np.arange(PAGES * SLOTS) % 10)
    sparse = np.arange((PAGES + 1) * SLOTS, (PAGES + 3) * SLOTS, 40)
    for step in range(6):
        if step == 0:
            write(store, model, 1, np.concatenate([dense, sparse]), n_files)
        elif step == 2:
            write(store, model, 2, dense[:20_000], n_files)
        elif step == 3:
            write(store, model, 1, np.arange(0, PAGES * SLOTS, 10)[::7], n_files)
        elif step == 4:
            write(store, model, 1, np.arange((PAGES + 5) * SLOTS, (PAGES + 6) * SLOTS), n_files)
        for size in (4000, 3000, 300, 3000):
            asked = random.integers(0, (PAGES + 7) * SLOTS, size)
            check(reader, connection, model, [1], asked, with_olt=size == 300)
            check(reader, connection, model, [2], asked[:500], with_olt=False)
    store.close()


def test_a_warm_run_needs_no_search_of_its_pages(database_url, connection, monkeypatch):
    """After two batches the pages of a run are not looked for any more, until it changes."""
    store, reader, model = Store(database_url), Reader(1 << 26, reply), {}
    write(store, model, 1, np.arange(100_000), 10)
    asked = np.arange(0, 100_000, 7)
    for _ in range(2):
        check(reader, connection, model, [1], asked, with_olt=False)
    searched = []
    find = reader.cache.find
    monkeypatch.setattr(reader.cache, "find", lambda *a: searched.append(a) or find(*a))
    check(reader, connection, model, [1], asked[::3], with_olt=False)
    assert not searched
    assert reader.cache.counts.hits == len(asked) + len(asked[::3])
    write(store, model, 1, np.arange(100_000, 100_010), 10)
    store.close()
    check(reader, connection, model, [1], np.arange(99_990, 100_010), with_olt=False)
    assert searched
