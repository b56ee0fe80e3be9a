"""Joining and bisecting, with a store that is a dictionary: no database, no broker."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from event_store.errors import StoreError, StoreUnavailableError
from event_store.model import Outcome, RawFile
from ingest_service.join import join
from ingest_service.metrics import Metrics
from ingest_service.model import CosmicFile, Decoded, Door, Kind, Receipt, Submission
from ingest_service.storing import AbandonedError, Item, Storing

FILES = [RawFile(uuid.UUID(int=number), number) for number in range(3)]
POISON = 13


class _Store:
    """Refuses every batch that holds run 13; is away for the first `away` calls."""

    def __init__(self, away: int = 0) -> None:
        self.seen: set[tuple[int, int]] = set()
        self.away = away

    def write(self, batch, on_commit):
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("away")
        if POISON in batch.runs:
            raise StoreError("refused")
        outcome = []
        for event in zip(batch.runs.tolist(), batch.events.tolist(), strict=True):
            outcome.append(Outcome.DUPLICATE if event in self.seen else Outcome.INSERTED)
            self.seen.add(event)
        return np.array(outcome, np.uint8)


class _Submission(Submission):
    """A message that nobody waits for."""

    door = Door.MQTT

    def __init__(self, source: str = "x") -> None:
        super().__init__(Kind.JSON, "t", source, 1)


def decoded(events, *, arrays: bool = False) -> Decoded:
    """Return a message of (run, event, file) triples, as lists or as arrays."""
    runs, numbers, files = ([row[i] for row in events] for i in range(3))
    if arrays:
        return Decoded(
            len(events),
            np.array(runs, np.int64),
            np.array(numbers, np.int64),
            np.zeros(len(events), np.uint64),
            np.array(files, np.int32),
            FILES,
        )
    return Decoded(len(events), runs, numbers, [0] * len(events), files, FILES)


def storing(store) -> Storing:
    """Return the store with patience, counting for itself."""
    return Storing(store, Metrics(CollectorRegistry()), retry_max_s=0.01)


MESSAGES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), max_size=5),
        st.booleans(),
    ),
    max_size=8,
)


@given(MESSAGES)
def test_join_keeps_every_event_in_order(messages):
    """One batch of many messages holds their events in order, with their files and sources."""
    sources = [f"s{index % 3}" for index in range(len(messages))]
    batch = join([decoded(e, arrays=a) for e, a in messages], sources, {})
    offered = [
        (*event[:2], FILES[event[2]], source)
        for (events, _), source in zip(messages, sources, strict=True)
        for event in events
    ]
    found = zip(
        batch.runs.tolist(),
        batch.events.tolist(),
        [batch.files[index] for index in batch.file_index],
        [batch.sources[index] for index in batch.source_index],
        strict=True,
    )
    assert list(found) == offered
    assert len(set(batch.files)) == len(batch.files)


def test_join_numbers_the_files_of_telescopes():
    """A telescope's file gets the number of its dataset."""
    message = Decoded(1, [1], [2], [3], [0], [CosmicFile(uuid.UUID(int=9), "cosmic.0.1")])
    batch = join([message], ["0"], {"cosmic.0.1": 2**30})
    assert list(batch.files) == [RawFile(uuid.UUID(int=9), 2**30)]


@given(st.lists(st.lists(st.integers(10, 15), min_size=1, max_size=3), min_size=1, max_size=20))
def test_poison_is_found_and_the_rest_is_stored(messages):
    """Of messages stored together only those that the store refuses fail; order is kept."""
    items = [
        Item(_Submission(), decoded([(run, index, 0) for run in runs]))
        for index, runs in enumerate(messages)
    ]
    receipts = storing(_Store()).store(items)
    for runs, receipt in zip(messages, receipts, strict=True):
        if POISON in runs:
            assert receipt.failed
            assert len(receipt.rejections) == len(runs)
        else:
            repeats = len(runs) - len(set(runs))
            assert receipt == Receipt(inserted=len(set(runs)), duplicates=repeats)


def test_store_that_is_away_is_tried_again():
    """An answer that comes late is an answer."""
    patient = storing(_Store(away=3))
    receipts = patient.store([Item(_Submission(), decoded([(1, 1, 0)]))])
    assert [receipt.inserted for receipt in receipts] == [1]
    assert patient.database_problem is None


def test_waiting_can_be_given_up():
    """A service that stops does not wait for the database for ever, and acknowledges nothing."""
    patient = storing(_Store(away=10**9))
    patient.abandon()
    with pytest.raises(AbandonedError):
        patient.store([Item(_Submission(), decoded([(1, 1, 0)]))])
