"""What the stateful test asks of the services, each answer compared with the dictionary's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import eventindex
from eventindex import DatasetState
from eventindex.admin_results import RunCheck
from tests.model.index import Conflict, Key, Model, Offer, Value
from tests.model.system import NUMBER_MAX, System, from_dead_letter

STARTS = (0, 1, 8_190, 5 * 8_192, 2**40, NUMBER_MAX - 300)

numbers = st.integers(0, 10**6)
delays = st.integers(0, 60)


class Checks(RuleBasedStateMachine):
    """The rules that only read.

    Attributes:
        sent: every batch of the example.
        bad: messages that were no events.
        elsewhere: events that were sent to another collection.
    """

    system: System

    @initialize()
    def begin(self) -> None:
        self.example = self.system.example()
        self.model = Model()
        self.sent: list[list[Offer]] = []
        self.bad: Counter[bytes] = Counter()
        self.elsewhere: set[Key] = set()
        self.client = self.system.client

    def block_offers(self, drawn, file_of: Callable[[int], tuple[str, int]]) -> list[Offer]:
        """The events of drawn blocks, in the files that numbers stand for."""
        offers = []
        for run, start, shift, count, stride, file, in_turn, olt, step in drawn:
            for i in range(count if stride < 8_192 else min(count, 40)):
                event = start + shift + i * stride
                if event > NUMBER_MAX:
                    break
                fuid, dsid = file_of((file + i % in_turn) % 12)
                value = Value(fuid, dsid, (olt + i * step) % 2**64)
                offers.append(Offer((self.example.runs[run], event), value))
        return offers

    def some_dataset(self, number: int) -> int:
        return sorted(self.model.states)[number % len(self.model.states)]

    def look_up(self, keys: list[Key]) -> dict[Key, Value | None]:
        found = self.client.lookup(keys, with_olt_result=True)
        return self.values(keys, found, self.model.states)

    def values(self, keys: list[Key], result, states) -> dict[Key, Value | None]:
        """The value of each pair that was looked up; None where it was not found."""
        for file in result.files:
            assert file.dataset_state == states.get(file.dsid_raw, DatasetState.OPEN)
        assert result.olt_results is not None
        columns = zip(keys, result.file_indexes.tolist(), result.olt_results.tolist(), strict=True)
        return {
            key: Value(*result.files[index - 1][:2], olt) if index else None
            for key, index, olt in columns
        }

    def known_and_unknown(self) -> list[Key]:
        """Everything that was ever sent, and neighbours that may not be there."""
        sent = {offer.key for offers in self.sent for offer in offers} | self.elsewhere
        near = {(run, min(event + 1, NUMBER_MAX)) for run, event in sent}
        return sorted(sent | near | {(run, 17) for run in self.example.runs})

    @rule(number=numbers)
    def look_some_up(self, number) -> None:
        keys = self.known_and_unknown()
        keys = list({keys[(number + i * 7) % len(keys)]: None for i in range(100)})
        assert self.look_up(keys) == {key: self.model.events.get(key) for key in keys}

    @rule(size=st.sampled_from((1, 100, 3_000)), crash=st.booleans(), delay=delays)
    def look_all_up(self, size, crash, delay) -> None:
        """Every batch of a stream is answered once and in order, whatever happens to the server."""
        keys = self.known_and_unknown()
        keys = keys[: 300 * size]
        pieces = [keys[first : first + size] for first in range(0, len(keys), size)]
        what = "index" if crash else "nothing"
        with self.system.crashing(what, delay):
            answers = list(self.client.lookup_stream(pieces, with_olt_result=True))
        for piece, answer in zip(pieces, answers, strict=True):
            expected = {key: self.model.events.get(key) for key in piece}
            assert self.values(piece, answer, self.model.states) == expected

    @rule()
    def list_events(self) -> None:
        first, _, last, lone = self.example.runs
        listed = [*self.client.list_events(runs=(first, last), batch_events_max=500)]
        listed += self.client.list_events(runs=(lone, None), events=(None, None))
        got = {}
        for part in listed:
            columns = zip(
                zip(part.run_numbers.tolist(), part.event_numbers.tolist(), strict=True),
                zip(part.fuids(), part.dsids().tolist(), part.olt_results.tolist(), strict=True),
                strict=True,
            )
            for key, value in columns:
                if key[0] in self.example.runs:
                    assert not got or key > next(reversed(got))
                    got[key] = Value(*value)
        assert got == self.model.events

    @precondition(lambda self: self.model.states)
    @rule(number=numbers, bit=st.integers(0, 2), event=st.sampled_from(STARTS))
    def select(self, number, bit, event) -> None:
        """What a selection of a dataset lists is what it counts, and what the model says."""
        dsid = self.some_dataset(number)
        chosen = {"dataset": dsid, "events": (event, None), "olt_any": 1 << bit, "olt_none": 8}
        expected = {
            key: value
            for key, value in self.model.events.items()
            if value.dsid_raw == dsid
            and key[1] >= event
            and value.olt_result & 1 << bit
            and not value.olt_result & 8
        }
        got = [
            key
            for part in self.client.list_events(**chosen)
            for key in zip(part.run_numbers.tolist(), part.event_numbers.tolist(), strict=True)
        ]
        assert got == sorted(expected)
        counts = self.client.count_events(by="file", **chosen)
        assert counts.total == len(expected)
        assert {c.fuid_raw: c.events for c in counts.counts} == Counter(
            value.fuid_raw for value in expected.values()
        )
        bits = self.client.count_events(by="bit", dataset=dsid)
        assert {c.olt_bit: c.events for c in bits.counts if c.events} == Counter(
            bit
            for value in self.model.events.values()
            if value.dsid_raw == dsid
            for bit in range(64)
            if value.olt_result >> bit & 1
        )

    @rule()
    def check_catalogue(self) -> None:
        """Runs, files, datasets and conflicts are the model's."""
        runs, ours = self.model.run_rows(), self.example.runs
        rows = {
            r.run_number: (r.events, r.event_first, r.event_last, r.files, r.conflicts)
            for r in self.client.runs(run_first=ours[0])
            if r.run_number in ours
        }
        if self.model.unsure:
            assert {run: row[:4] for run, row in rows.items()} == {
                run: row[:4] for run, row in runs.items()
            }
        else:
            assert rows == runs
        files = self.model.file_rows()
        states = self.model.states
        for dsid, state in states.items():
            of_dataset = {key: row for key, row in files.items() if key[2] == dsid}
            assert {
                (f.run_number, *f.file[:2]): (f.events, f.event_first, f.event_last)
                for f in self.client.files(dataset=dsid)
            } == of_dataset
            name = f"dsid-{dsid}"
            found = self.client.datasets(name_contains=name)
            (dataset,) = (one for one in found if one.name == name)
            assert dataset.state == state
            assert dataset.events == sum(row[0] for row in of_dataset.values())
            assert dataset.files == len({key[1] for key in of_dataset})

    @rule()
    def check_conflicts(self) -> None:
        found = {}
        filled = self.model.run_rows().keys()
        for run in sorted(self.model.runs - filled):
            with pytest.raises(eventindex.NotFoundError, match=f"run {run} is not in the index"):
                list(self.client.conflicts(run=run, with_resolved=True))
        for run in sorted(filled):
            for conflict in self.client.conflicts(run=run, with_resolved=True):
                offer = Offer(key_of(conflict.offered), value_of(conflict.offered))
                assert offer not in found
                found[offer] = Conflict(
                    value_of(conflict.stored), conflict.times, conflict.resolution
                )
        for offer in self.model.unsure & found.keys() - self.model.conflicts.keys():
            del found[offer]
        if self.model.repeats:
            for offer, conflict in self.model.conflicts.items():
                assert found[offer].times >= conflict.times
                found[offer].times = conflict.times
        assert found == self.model.conflicts

    @rule()
    def check_dead_letters(self) -> None:
        """A dead letter for each refused event and message, more only where a crash repeats."""
        found: Counter[Offer] = Counter()
        bad: Counter[bytes] = Counter()
        for topic, payload in self.system.dead_letters(self.example):
            if payload in self.bad:
                bad[payload] += 1
            else:
                found[from_dead_letter(topic.split("/")[1], payload)] += 1
        if self.model.repeats:
            assert found.keys() == self.model.dead.keys()
            assert bad.keys() == self.bad.keys()
            assert found >= self.model.dead
        else:
            assert (found, bad) == (self.model.dead, self.bad)

    @rule()
    def verify(self) -> None:
        """The counts agree with the pages, and the pages hold what the model does."""
        runs, found = self.model.run_rows(), {}
        for check in self.checks_of("raw", self.model.runs):
            assert check.differences == []
            found[check.run_number] = check.events
        assert found == {run: runs[run][0] if run in runs else 0 for run in self.model.runs}

    def checks_of(self, collection: str, runs: Iterable[int]) -> Iterator[RunCheck]:
        """What verification says of each of some runs of a collection."""
        for run in sorted(runs):
            checks = self.client.verify(runs=(run, run))
            (check,) = (check for check in checks if check.collection == collection)
            yield check

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.look_all_up(3_000, crash=False, delay=0)
        for check in ("list_events", "catalogue", "conflicts", "dead_letters"):
            getattr(self, check if check == "list_events" else f"check_{check}")()
        self.verify()


def key_of(event: eventindex.Event) -> Key:
    return event.run_number, event.event_number


def value_of(event: eventindex.Event) -> Value:
    return Value(*event.file[:2], event.olt_result)
