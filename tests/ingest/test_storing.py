"""Joining and bisecting, with a store that is a dictionary: no database, no broker."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from event_store.errors import StoreError, StoreUnavailableError, UnansweredError
from event_store.model import DeadLetter, Outcome, RawFile
from event_store.write.cosmic_datasets import CosmicDataset
from event_store.write.writer import KeptLetters
from ingest_service.metrics import Metrics
from ingest_service.model import CosmicFile, Decoded, Door, Reason, Submission, Taken
from ingest_service.pipeline.join import join
from ingest_service.pipeline.patience import AbandonedError, Patience
from ingest_service.pipeline.storing import Storing

FILES = [RawFile(uuid.UUID(int=number), number) for number in range(3)]
POISON = 13
DRIVER = "what the driver said"


class _Store:
    """Refuses every batch that holds run 13; is away for the first `away` calls."""

    def commit_token(self):
        return ""

    def __init__(self, away: int = 0, refusal: Exception | None = None) -> None:
        self.seen: set[tuple[int, int]] = set()
        self.away = away
        self.refusal = refusal or StoreError(DRIVER)
        self.failures = 0

    def probe(self):
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("away")

    def write(self, batch, on_commit):
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("away")
        if POISON in batch.runs:
            self.failures += 1
            raise self.refusal
        outcome = []
        for event in zip(batch.runs.tolist(), batch.events.tolist(), strict=True):
            outcome.append(Outcome.DUPLICATE if event in self.seen else Outcome.INSERTED)
            self.seen.add(event)
        return np.array(outcome, np.uint8)


class _Submission(Submission):
    """A message that nobody waits for."""

    door = Door.MQTT

    def __init__(self, source: str = "x") -> None:
        super().__init__("json", "t", source, 1)

    def decode(self):
        """Nobody decodes it here."""
        raise NotImplementedError

    def payload(self):
        """Nobody reads it here."""
        raise NotImplementedError

    def finish(self, receipt):
        """Nobody is told."""

    def abandon(self):
        """Nobody is told."""


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
    """Return what stores, with patience, counting for itself."""
    return patient(store)[0]


def patient(store) -> tuple[Storing, Patience]:
    """Return what stores, and its patience."""
    metrics = Metrics(CollectorRegistry())
    patience = Patience(store, metrics, retry_max_s=0.001)
    return Storing(store, metrics, patience), patience


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
    batch = join([message], ["0"], {"cosmic.0.1": CosmicDataset(2**30, 3)})
    assert list(batch.files) == [RawFile(uuid.UUID(int=9), 2**30)]


@given(
    st.lists(st.lists(st.integers(10, 15), min_size=1, max_size=6), min_size=1, max_size=20),
    st.sampled_from([StoreError(DRIVER), UnansweredError(DRIVER), ValueError(DRIVER)]),
    st.booleans(),
)
@settings(max_examples=50)
def test_poison_is_found_and_the_rest_is_stored(messages, refusal, arrays):
    """Of events stored together only those that the store refuses fail; order is kept."""
    items = [
        Taken(_Submission(), decoded([(run, index, 0) for run in runs], arrays=arrays))
        for index, runs in enumerate(messages)
    ]
    store = _Store(refusal=refusal)
    receipts = storing(store).store(items)
    for index, (runs, receipt) in enumerate(zip(messages, receipts, strict=True)):
        good = [run for run in runs if run != POISON]
        assert receipt.inserted + receipt.duplicates == len(good)
        assert {(run, index) for run in good} <= store.seen
        bad = [(r.position, r.reason) for r in receipt.rejections]
        assert bad == [(n, Reason.CANNOT_STORE) for n, run in enumerate(runs) if run == POISON]
        assert all(DRIVER not in rejection.detail for rejection in receipt.rejections)


def test_an_unanswered_batch_is_tried_three_times():
    """What may be the database's fault is not taken for the event's at once."""
    store = _Store(refusal=UnansweredError(DRIVER))
    [receipt] = storing(store).store([Taken(_Submission(), decoded([(POISON, 1, 0)]))])
    assert (store.failures, len(receipt.rejections)) == (3, 1)


def test_a_database_that_does_nothing_else_is_waited_for():
    """While the database answers no other question either, no event is refused."""
    store = _Store(refusal=UnansweredError(DRIVER))
    failures = []

    def probe():
        failures.append(store.failures)
        if len(failures) < 10:
            raise StoreUnavailableError("away")

    store.probe = probe
    storing(store).store([Taken(_Submission(), decoded([(POISON, 1, 0)]))])
    assert failures == list(range(1, 13))


class _Letters(_Store):
    """Takes letters but those of source 13 that are longer than 100 kB."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = []

    def add_dead_letters(self, letters, bytes_max):
        if any(
            letter.source == str(POISON) and len(letter.payload) > 100_000 for letter in letters
        ):
            raise UnansweredError(DRIVER)
        self.kept += letters
        return KeptLetters(letters, [], 0)


def test_a_dead_letter_that_cannot_be_stored_whole_is_cut():
    """One letter does not stop ingest, nor the letters beside it: it is kept, cut and flagged."""
    letters = [DeadLetter("t", b"x" * 200_000, "malformed", "d", str(n)) for n in range(10, 15)]
    store = _Letters()
    storing(store).keep_dead_letters(letters)
    kept = {letter.source: letter for letter in store.kept}
    assert len(store.kept) == len(kept) == len(letters)
    for source, letter in kept.items():
        assert letter.truncated == (source == str(POISON))
        assert letters[0].payload.startswith(letter.payload)


def test_store_that_is_away_is_tried_again():
    """An answer that comes late is an answer."""
    storing, patience = patient(_Store(away=3))
    receipts = storing.store([Taken(_Submission(), decoded([(1, 1, 0)]))])
    assert [receipt.inserted for receipt in receipts] == [1]
    assert patience.database_problem is None


def test_waiting_can_be_given_up():
    """A service that stops does not wait for the database for ever, and acknowledges nothing."""
    storing, patience = patient(_Store(away=10**9))
    patience.abandon()
    with pytest.raises(AbandonedError):
        storing.store([Taken(_Submission(), decoded([(1, 1, 0)]))])
