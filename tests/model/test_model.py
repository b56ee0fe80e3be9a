"""The whole system against a dictionary: any mix of calls and crashes, drawn by Hypothesis.

`make test` makes each call once and runs a few short examples, `make test-model` many long ones.
"""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

import eventindex
from eventindex import DatasetState
from tests.conftest import GIVEN, LONG_PROFILE
from tests.model.blocks import batches, crashes
from tests.model.checks import delays, key_of, numbers, value_of
from tests.model.derived import Derived
from tests.model.index import Offer, Value
from tests.model.system import NUMBER_MAX, System
from tests.support.gateway import database

LONG = settings.get_current_profile_name() == LONG_PROFILE
SHORT_SETTINGS = settings(
    settings.get_profile(LONG_PROFILE),
    max_examples=3,
    stateful_step_count=8,
    phases=[Phase.generate],
)


class Machine(Derived):
    """Adds the rules that write; each makes a call, and compares its answer with the model's."""

    def expand(self, drawn) -> list[Offer]:
        """The events of drawn blocks."""
        offers = self.block_offers(drawn, self.example.file)
        self.sent.append(offers)
        return offers

    def again(self, number: int, *, changed: bool) -> list[Offer]:
        """A batch that was sent before, or the same events with other values."""
        offers = self.sent[number % len(self.sent)]
        if not changed:
            return offers
        fuid, dsid = self.example.file(number % 12)
        return [Offer(key, Value(fuid, dsid, old.olt_result ^ 1)) for key, old in offers]

    @rule(drawn=batches)
    def ingest(self, drawn) -> None:
        self.store(self.expand(drawn))

    @precondition(lambda self: self.sent)
    @rule(number=numbers, changed=st.booleans())
    def ingest_again(self, number, changed) -> None:
        self.store(self.again(number, changed=changed))

    def store(self, offers: list[Offer]) -> None:
        expected, rejected = self.model.ingest(offers)
        ack = self.system.store(offers)
        assert ack._replace(rejections=(), commit_token="") == expected
        assert [refused.index for refused in ack.rejections] == rejected

    @rule(drawn=batches, what=crashes, delay=delays)
    def ingest_while_it_crashes(self, drawn, what, delay) -> None:
        offers = self.expand(drawn)
        with self.system.crashing(what, delay):
            ack = self.system.store(offers)
        expected, rejected = self.ingest_repeated(offers)
        assert sum(ack[:4]) == sum(expected[:4])
        assert ack.inserted <= expected.inserted
        assert {refused.index for refused in ack.rejections} <= set(rejected)

    def ingest_repeated(self, offers: list[Offer]) -> tuple[eventindex.Ack, list[int]]:
        """Store a batch that may have been stored more than once, in whole or in part."""
        self.model.repeats = True
        expected, rejected = self.model.ingest(offers)
        refused = {offers[position] for position in rejected}
        events = self.model.events
        self.model.unsure |= {o for o in refused if events.get(o.key, o.value) != o.value}
        return expected, rejected

    @rule(drawn=batches, kind=st.sampled_from(("json", "batch")), bad=st.booleans())
    def publish(self, drawn, kind, bad) -> None:
        offers = self.expand(drawn)
        self.system.publish(self.example, [offers], kind, self.bad_messages(bad))
        self.model.dead.update(offers[i] for i in self.model.ingest(offers)[1])
        self.system.wait_until_stored(self.example, kind)

    @rule(
        drawn=batches,
        kind=st.sampled_from(("json", "batch")),
        bad=st.booleans(),
        what=crashes,
        delay=delays,
    )
    def publish_while_it_crashes(self, drawn, kind, bad, what, delay) -> None:
        offers = self.expand(drawn)
        with self.system.crashing(what, delay):
            self.system.publish(self.example, [offers], kind, self.bad_messages(bad))
        self.model.dead.update(offers[i] for i in self.ingest_repeated(offers)[1])
        self.system.wait_until_stored(self.example, kind)

    def bad_messages(self, wanted: bool) -> list[bytes]:
        if not wanted:
            return []
        payload = f"\xff no event {self.example.source()} {self.bad.total()}".encode("latin-1")
        self.bad[payload] += 1
        return [payload]

    @rule(drawn=batches, number=numbers)
    def two_writers(self, drawn, number) -> None:
        """Of two values that are offered at once one is stored, the other a conflict."""
        ours = list({offer.key: offer for offer in self.expand(drawn)}.values())
        theirs = self.again(len(self.sent) - 1 + len(self.sent) * number, changed=True)
        theirs = list({offer.key: offer for offer in theirs}.values())
        if any(o.value.dsid_raw in self.closed() for o in ours + theirs):
            return
        acks: list[eventindex.Ack] = []
        thread = threading.Thread(target=lambda: acks.append(self.system.store(theirs)))
        thread.start()
        acks.append(self.system.store(ours))
        thread.join()
        found = self.look_up([offer.key for offer in ours])
        for mine, other in zip(ours, theirs, strict=True):
            first_is_mine = found[mine.key] != other.value or mine.key in self.model.events
            self.model.ingest([mine, other] if first_is_mine else [other, mine])
        assert sum(ack.rejected for ack in acks) == 0
        assert len(acks) == 2

    def closed(self) -> set[int]:
        return {dsid for dsid, state in self.model.states.items() if state != DatasetState.OPEN}

    @precondition(lambda self: self.model.states)
    @rule(number=numbers, state=st.sampled_from(list(DatasetState)[1:]))
    def set_state(self, number, state) -> None:
        dsid = self.some_dataset(number)
        assert self.client.update_dataset(dsid, state=state).state == state
        self.model.states[dsid] = state

    @precondition(lambda self: self.model.states)
    @rule(number=numbers, close_it=st.booleans())
    def delete_dataset(self, number, close_it) -> None:
        dsid = self.some_dataset(number)
        if close_it and dsid not in self.closed():
            self.client.update_dataset(dsid, state=DatasetState.RETIRED)
            self.model.states[dsid] = DatasetState.RETIRED
        if dsid not in self.closed():
            with pytest.raises(eventindex.InvalidRequestError, match=f"dsid_raw={dsid} is open"):
                list(self.client.delete_dataset(dsid))
            return
        keys = self.model.of_dataset(dsid)
        last = list(self.client.delete_dataset(dsid))[-1]
        assert (last.events_removed, last.events_left) == (len(keys), 0)
        self.model.delete(keys)

    @precondition(lambda self: self.closed())
    @rule(number=numbers, what=crashes, delay=delays)
    def delete_while_it_crashes(self, number, what, delay) -> None:
        """An interrupted deletion leaves events that are there as before or gone."""
        dsid = sorted(self.closed())[number % len(self.closed())]
        unavailable = contextlib.suppress(eventindex.UnavailableError)
        with self.system.crashing(what, delay), unavailable:
            list(self.client.delete_dataset(dsid))
        keys = self.model.of_dataset(dsid)
        found = self.look_up(keys)
        self.model.delete([key for key in keys if found[key] is None])

    @rule(number=numbers, replace=st.booleans())
    def resolve(self, number, replace) -> None:
        known = self.model.conflicts
        undecided = sorted(offer for offer in known if not known[offer].resolution)
        if not undecided:  # no precondition: a crash decides whether there is one
            return
        offer = undecided[number % len(undecided)]
        ids = {
            Offer(key_of(c.offered), value_of(c.offered)): c.conflict_id
            for c in self.client.conflicts(run=offer.key[0])
        }

        def decide() -> None:
            self.client.resolve_conflict(ids[offer], replace=replace, resolved_by="model")

        if not replace:
            decide()
            self.model.keep(offer)
        elif self.model.may_replace(offer):
            decide()
            self.model.replace(offer)
        else:
            with pytest.raises(eventindex.InvalidRequestError, match="frozen or retired"):
                decide()


@pytest.fixture(scope="module")
def system(request):
    """PostgreSQL, a broker and both services, for all examples."""
    with contextlib.ExitStack() as stack:
        url = ""
        if GIVEN:
            wanted = map(request.getfixturevalue, ("postgres", "_template"))
            url = stack.enter_context(database(*wanted))
        servers = System(GIVEN, url)
        stack.callback(servers.close)
        yield servers


@pytest.fixture
def machine(system):
    """The state machine on those servers."""
    return type("SystemMachine", (Machine,), {"system": system})


@pytest.mark.slow
def test_each_call_and_each_crash_once(machine):
    """Stored, repeated, contradicted, decided, deleted, crashed: answers are a dictionary's."""
    state = machine()
    state.begin()
    first = [(0, 8_190, 0, 700, 1, 0, 2, 6, 1), (3, NUMBER_MAX - 300, 0, 5, 3, 5, 3, 2**63, 5)]
    second = [(1, 0, 1, 40, 8_192, 4, 3, 1, 0), (1, 0, 0, 2, 0, 4, 1, 0, 0)]
    state.ingest(first)
    state.look_all_up(100, crash=True, delay=20)
    state.publish(second, "json", bad=True)
    for what in ("ingest by SIGTERM", "database"):
        state.publish_while_it_crashes(first, "batch", False, what, 10)
    state.ingest_again(0, changed=True)
    state.two_writers([(2, 2**40, 0, 40, 1, 8, 1, 0, 1)], 7)
    state.resolve(0, replace=False)
    state.resolve(1, replace=True)
    state.ingest_while_it_crashes([(2, 1, 600, 700, 3, 8, 1, 1, 5)], "ingest", 5)
    state.select(0, 1, 0)
    state.check_conflicts()
    state.set_state(1, DatasetState.FROZEN)
    state.ingest([(0, 0, 0, 2, 1, 4, 1, 0, 0)])
    state.delete_while_it_crashes(0, "ingest", 5)
    state.delete_dataset(0, close_it=True)
    state.check_catalogue()
    state.look_some_up(3)
    state.derive_what_was_sent(0, 1)
    state.ingest_derived([(1, 2**40, 0, 700, 1, 0, 2, 6, 1)])
    state.offer_a_dataset_of_raw(1)
    state.compare_derived()
    state.delete_collection("database", 10)
    state.derive_while_it_crashes(second, "ingest", 5)
    state.teardown()


@pytest.mark.slow
def test_any_mix_of_calls_and_crashes(machine):
    """Whatever is called and whatever crashes, every answer is what a dictionary would say."""
    run_state_machine_as_test(machine, settings=settings() if LONG else SHORT_SETTINGS)
