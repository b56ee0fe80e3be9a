"""The files of other collections that hold a file's events, against brute force."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import closing
from dataclasses import replace

import numpy as np

from event_store.admin import collections
from event_store.model import RawFile
from event_store.select import provenance
from event_store.select.provenance import Relations
from event_store.write.writer import Store
from tests.support.admin import columns, connect

RUNS = ((1, 20_000, 9000), (2, 30_000, 200), (3, 8000, 8000))


def files_of(number):
    return [RawFile(uuid.UUID(int=9 * number + k + 1), 100 * number + k // 2) for k in range(4)]


def test_files_that_share_events_are_counted(database_url, monkeypatch):
    """For each file, dense and sparse pages mixed: the others' files with their counts."""
    monkeypatch.setattr(provenance, "PAGES_PER_STATEMENT_MAX", 2)
    random = np.random.default_rng(5)
    with closing(connect(database_url)) as connection:
        numbers = [0, *(collections.create(connection, n, "", "", 9).collection_id for n in "bc")]
    homes, store = [], Store(database_url)
    for number in numbers:
        home = {}
        for run, span, count in RUNS:
            events = np.sort(random.choice(span, count // (1 + 30 * (number == 1)), replace=False))
            index = np.where(events % 8192 < 2000, 0, random.integers(0, 4, len(events)))
            batch = columns(run, events, [0] * len(events), index, files_of(number))
            store.write(replace(batch, collection=number))
            home |= {(run, e): k for e, k in zip(events.tolist(), index.tolist(), strict=True)}
        homes.append(home)
    store.close()
    with closing(connect(database_url, autocommit=True)) as connection:
        for number, home in zip(numbers, homes, strict=True):
            others = [one for one in numbers if one != number]
            for k, file in enumerate(files_of(number)):
                relations = Relations(file.fuid.bytes, number, others)
                while relations.read(connection):
                    pass
                expected = Counter(
                    (other, files_of(other)[homes[numbers.index(other)][key]])
                    for other in others
                    for key, own in home.items()
                    if own == k and key in homes[numbers.index(other)]
                )
                found = relations.found()
                assert {
                    (one.collection, RawFile(uuid.UUID(one.fuid_raw), one.dsid)): one.events
                    for one in found
                } == expected
                assert relations.files == len(found)
                places = [(others.index(one.collection), -one.events) for one in found]
                assert places == sorted(places)


def test_collections_by_their_steps(database_url):
    """What a collection was made from comes nearest first; others are made from it."""
    with closing(connect(database_url)) as connection:
        made = [
            collections.create(connection, name, source, "", 9).collection_id
            for name, source in (("reco", "raw"), ("aod", "reco"), ("ntup", "aod"), ("esd", "reco"))
        ]
    reco, aod, ntup, esd = made
    with (
        closing(connect(database_url, autocommit=True)) as connection,
        connection.cursor() as cursor,
    ):
        assert provenance.ancestors(cursor, ntup) == [aod, reco, 0]
        assert provenance.ancestors(cursor, 0) == []
        assert provenance.made_from(cursor, reco, 9) == [aod, esd]
        assert provenance.made_from(cursor, reco, 1) == [aod]
