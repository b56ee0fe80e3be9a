"""A second collection of the stateful test: rules that fill, crash, compare and delete it.

Its events have the runs and event numbers of `raw`, in files and a dataset of its own.
"""

from __future__ import annotations

import contextlib
from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import eventindex
from eventindex import DatasetState
from tests.model.blocks import batches, crashes
from tests.model.checks import Checks, delays, numbers
from tests.model.index import Key, Model, Offer, Value


class Derived(Checks):
    """The rules of the collection that was made from `raw`.

    Attributes:
        derived: what it holds.
    """

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.derived = Model()
        self.name = self.example.collection
        self.client.create_collection(self.name, made_from="raw")

    def derived_offers(self, drawn) -> list[Offer]:
        """Events of drawn blocks as the collection holds them; known as asked to the lookups."""
        offers = self.block_offers(drawn, self.example.derived_file)
        self.elsewhere |= {offer.key for offer in offers}
        return offers

    def derived_values(self, keys: list[Key]) -> dict[Key, Value | None]:
        found = self.client.lookup(keys, collection=self.name, with_olt_result=True)
        return self.values(keys, found, self.derived.states)

    @rule(drawn=batches)
    def ingest_derived(self, drawn) -> None:
        offers = self.derived_offers(drawn)
        expected, rejected = self.derived.ingest(offers)
        ack = self.system.store(offers, self.name)
        assert ack._replace(rejections=(), commit_token="") == expected
        assert [refused.index for refused in ack.rejections] == rejected

    @precondition(lambda self: self.sent)
    @rule(number=numbers, bits=st.sampled_from((0, 1)))
    def derive_what_was_sent(self, number, bits) -> None:
        """Events of `raw` go into the collection, with other bits: no conflict with `raw`."""
        offers = [
            Offer(key, Value(*self.example.derived_file(place), value.olt_result ^ bits))
            for place, (key, value) in enumerate(self.sent[number % len(self.sent)])
        ]
        expected, _ = self.derived.ingest(offers)
        assert self.system.store(offers, self.name)[:4] == expected[:4]

    @rule(drawn=batches, what=crashes, delay=delays)
    def derive_while_it_crashes(self, drawn, what, delay) -> None:
        offers = self.derived_offers(drawn)
        with self.system.crashing(what, delay):
            ack = self.system.store(offers, self.name)
        self.derived.repeats = True
        expected, _ = self.derived.ingest(offers)
        assert sum(ack[:4]) == sum(expected[:4])
        assert ack.inserted <= expected.inserted

    @precondition(lambda self: self.derived.events and self.model.states)
    @rule(number=numbers)
    def offer_a_dataset_of_raw(self, number) -> None:
        """A dataset belongs to the collection of its first event: elsewhere it is refused."""
        key = min(self.derived.events)
        fuid, _ = self.example.file(0)
        offer = Offer(key, Value(fuid, self.some_dataset(number), 0))
        ack = self.system.store([offer], self.name)
        assert ack.rejected == 1
        assert ack.rejections[0].reason.startswith("dataset_of_other_collection")

    @rule()
    def compare_derived(self) -> None:
        """Lookups, lists, overlaps and counts across both are those of two dictionaries."""
        raw, derived = self.model.events.keys(), self.derived.events.keys()
        keys = sorted(self.known_and_unknown())[:20_000]
        assert self.derived_values(keys) == {key: self.derived.events.get(key) for key in keys}
        assert self.keys_listed(collection=self.name) == sorted(derived)
        assert self.keys_listed(not_in=[self.name]) == sorted(raw - derived)
        assert self.keys_listed(also_in=[self.name]) == sorted(raw & derived)
        assert self.keys_listed(collection=self.name, not_in=["raw"]) == sorted(derived - raw)
        bits = self.keys_listed(collection=self.name, olt_from="raw", olt_any=1)
        events = self.model.events
        assert bits == sorted(k for k in raw & derived if events[k].olt_result & 1)
        self.check_overlap(Counter(k[0] for k in raw), Counter(k[0] for k in derived))
        for check in self.checks_of(self.name, self.derived.runs):
            assert check.differences == []

    def check_overlap(self, raw: Counter[int], derived: Counter[int]) -> None:
        common = Counter(key[0] for key in self.model.events.keys() & self.derived.events.keys())
        for run in self.example.runs:
            found = self.client.overlap(
                ["raw", self.name], run_first=run, run_last=run, by_run=True
            )
            matrix = [[raw[run], common[run]], [common[run], derived[run]]]
            assert found.events.tolist() == matrix
            assert [m.tolist() for m in found.by_run.values()] == [matrix] * any(map(sum, matrix))

    def keys_listed(self, **selection) -> list[Key]:
        """The events of the example's runs that a selection lists, in their order."""
        first, _, last, lone = self.example.runs
        found: list[Key] = []
        # A run that is asked for alone must be there.
        for runs in ((first, last), (lone, None)):
            for part in self.client.list_events(runs=runs, **selection):
                found += zip(part.run_numbers.tolist(), part.event_numbers.tolist(), strict=True)
        assert found == sorted(set(found))
        return [key for key in found if key[0] in self.example.runs]

    @precondition(lambda self: self.derived.runs)
    @rule(what=st.sampled_from(("nothing", "ingest", "database")), delay=delays)
    def delete_collection(self, what, delay) -> None:
        """It goes as a whole, also when the deletion was interrupted; `raw` stays."""
        self.client.update_collection(self.name, state=DatasetState.RETIRED)
        unavailable = contextlib.suppress(eventindex.UnavailableError)
        with self.system.crashing(what, delay), unavailable:
            list(self.client.delete_collection(self.name))
        if any(one.name == self.name for one in self.client.collections()):
            list(self.client.delete_collection(self.name))
        self.derived = Model()
        self.client.create_collection(self.name, made_from="raw")
        assert not self.keys_listed(collection=self.name)
        assert self.keys_listed() == sorted(self.model.events)

    def teardown(self) -> None:
        if hasattr(self, "derived"):
            self.compare_derived()
        super().teardown()
