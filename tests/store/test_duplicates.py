"""Events of two datasets, against brute force."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import closing
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from event_store.admin import collections
from event_store.model import RawFile
from event_store.select import duplicates
from event_store.select.duplicates import BetweenCollections, Pair, WithinCollection
from event_store.write.writer import Store
from tests.support.admin import columns, connect


@pytest.fixture
def stored(database_url):
    """Dense and sparse pages of three collections: their numbers, and the dataset by event."""
    random = np.random.default_rng(3)
    with closing(connect(database_url)) as connection:
        made = [collections.create(connection, n, "", "", 9).collection_id for n in ("b", "c")]
    numbers, homes = [0, *made], []
    store = Store(database_url)
    for number in numbers:
        files = [
            RawFile(uuid.UUID(int=9 * number + k + 1), 100 * number + k // 2) for k in range(5)
        ]
        home = {}
        for run, span, count in ((1, 20_000, 9000), (2, 30_000, 200), (3, 8000, 8000)):
            events = np.sort(random.choice(span, count, replace=False))
            # Some stretches are of one dataset, others a mix.
            index = np.where(events % 8192 < 2000, 0, random.integers(0, 5, count))
            store.write(replace(columns(run, events, [0] * count, index, files), collection=number))
            dsids = [files[k].dsid for k in index.tolist()]
            home |= dict(zip(((run, event) for event in events.tolist()), dsids, strict=True))
        homes.append(home)
    store.close()
    return numbers, homes


def read(url, scan):
    """All that a scan finds: the events of each pair."""
    found: dict[Pair, list] = {}
    with closing(connect(url, autocommit=True)) as connection:
        while (parts := scan.read(connection)) is not None:
            for pair, run, events in parts:
                found.setdefault(pair, []).extend((run, event) for event in events.tolist())
    return found


def test_events_that_datasets_of_collections_share(database_url, stored, monkeypatch):
    """Each two datasets of two collections share exactly the events that both have."""
    monkeypatch.setattr(duplicates, "PAGES_PER_STATEMENT_MAX", 2)
    numbers, homes = stored
    found = read(database_url, BetweenCollections(numbers, 1, 2))
    expected = Counter()
    for (i, one), (j, other) in combinations(enumerate(homes), 2):
        for key in one.keys() & other.keys():
            if key[0] <= 2:
                expected[Pair(numbers[i], one[key], numbers[j], other[key])] += 1
    assert {pair: len(events) for pair, events in found.items()} == expected
    for pair, events in found.items():
        assert len(set(events)) == len(events)
        one, other = (homes[numbers.index(n)] for n in (pair.collection, pair.other_collection))
        assert all(one[key] == pair.dsid for key in events)
        assert all(other[key] == pair.other_dsid for key in events)


def test_events_that_datasets_of_one_collection_share(database_url, monkeypatch):
    """An event counts for each two of the datasets that it was stored or offered with."""
    monkeypatch.setattr(duplicates, "EVENTS_PER_STATEMENT_MAX", 3)
    store, offers = Store(database_url), {}
    sent = [
        *[(5, 1, range(20)), (6, 1, range(10, 30)), (4, 1, range(15, 25))],
        *[(5, 2, range(4)), (6, 2, range(4)), (6, 3, [1]), (7, 3, [1])],
    ]
    for dsid, run, numbers in sent:
        files = [RawFile(uuid.UUID(int=dsid), dsid)]
        # The same file with other bits is a conflict, too, and of one dataset.
        for olt in (0, 1):
            store.write(columns(run, list(numbers), olt, 0, files))
        for event in numbers:
            offers.setdefault((run, event), set()).add(dsid)
    store.close()
    found = read(database_url, WithinCollection(0, 1, 2))
    expected = Counter(
        Pair(0, one, 0, other)
        for (run, _), dsids in offers.items()
        if run <= 2
        for one, other in combinations(sorted(dsids), 2)
    )
    assert {pair: len(events) for pair, events in found.items()} == expected
    assert found[Pair(0, 4, 0, 5)] == [(1, event) for event in range(15, 20)]
    assert read(database_url, WithinCollection(1, 0, 9)) == {}
