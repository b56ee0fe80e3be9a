"""What was sent, what was acknowledged, and what of it the index holds.

The promise under test: an event that was acknowledged is in the index exactly once, or in the
conflicts beside the value that was first, or in the dead letters with a reason.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.conftest import query

PROBLEMS_SHOWN_MAX = 10


class Value(NamedTuple):
    """What an event says, beside its numbers."""

    olt_result: int
    dsid_raw: int
    fuid_raw: str


Key = tuple[int, int]
Offers = dict[Key, tuple[Value, ...]]


class Ledger:
    """Every event that was sent, with each value it was offered with, and what was acknowledged.

    Threads may share it.

    Attributes:
        offers, acknowledged: the distinct values of each event.
        committed: events that the ingest service acknowledged: every later lookup finds them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.offers: Offers = {}
        self.acknowledged: Offers = {}
        self.committed: list[Key] = []
        self.sent = 0
        self.acknowledged_offers = 0
        self.bad_sent = 0
        self.bad_acknowledged: Counter[bytes] = Counter()

    def send(self, events: Iterable[tuple[Key, Value]]) -> None:
        """Events are about to be sent."""
        with self._lock:
            for key, value in events:
                self.sent += 1
                _add(self.offers, key, value)

    def acknowledge(self, events: Iterable[tuple[Key, Value]], *, committed: bool) -> None:
        """The broker (`committed` is false) or the ingest service has acknowledged them."""
        with self._lock:
            for key, value in events:
                self.acknowledged_offers += 1
                _add(self.acknowledged, key, value)
                if committed:
                    self.committed.append(key)

    def send_bad(self) -> None:
        """A message that cannot be stored is about to be sent."""
        with self._lock:
            self.bad_sent += 1

    def acknowledge_bad(self, payload: bytes) -> None:
        """A message that cannot be stored was acknowledged: it has to be a dead letter."""
        with self._lock:
            self.bad_acknowledged[payload] += 1


def _add(offers: Offers, key: Key, value: Value) -> None:
    known = offers.get(key, ())
    if value not in known:
        offers[key] = (*known, value)


@dataclass
class Verdict:
    """The ledger beside the database; `text` is the line that a scenario prints."""

    sent: int
    acknowledged: int
    stored: int
    duplicate: int
    conflict: int
    dead: int
    lost: int
    doubled: int
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """One line, and one more for each problem."""
        names = (
            *("sent", "acknowledged", "stored", "duplicate", "conflict"),
            *("dead", "lost", "doubled"),
        )
        line = ", ".join(f"{name} {getattr(self, name):,}" for name in names)
        return "\n".join([line, *self.problems[:PROBLEMS_SHOWN_MAX]])


class _Index(NamedTuple):
    """What the database holds."""

    events: list[tuple[Key, Value]]
    conflicts: list[tuple[Key, Value, Value]]
    letters: list[bytes]
    counts: dict[str, int]


def check(ledger: Ledger, url: str) -> Verdict:
    """Compare the ledger with the index, the conflicts and the dead letters.

    Args:
        ledger: all senders have ended.
        url: of the database; nothing writes any more.
    """
    index = _read(url)
    stored = dict(index.events)
    offered: Counter[tuple[Key, Value]] = Counter((key, new) for key, _, new in index.conflicts)
    dead = {event for payload in index.letters for event in _events_of(payload)}
    doubled = len(index.events) - len(stored) + sum(offered.values()) - len(offered)
    bad_lost = ledger.bad_acknowledged - Counter(index.letters)
    lost = [
        (key, value)
        for key, values in ledger.acknowledged.items()
        for value in values
        if stored.get(key) != value and (key, value) not in offered and (key, value) not in dead
    ]
    problems = [f"lost: {event}" for event in lost]
    problems += [f"no dead letter: {payload!r}" for payload in bad_lost]
    problems += [
        f"stored and never sent: {key} {value}"
        for key, value in stored.items()
        if value not in ledger.offers.get(key, ())
    ]
    problems += [
        f"conflict of {key}: {old} was stored, the index has {stored.get(key)}"
        for key, old, _ in index.conflicts
        if stored.get(key) != old
    ]
    problems += [
        f"a conflict that nobody offered: {key} {value}"
        for key, value in offered
        if value not in ledger.offers.get(key, ())
    ]
    problems += [
        f"{table} counts {number} events, the index holds {len(stored)}"
        for table, number in index.counts.items()
        if number != len(stored)
    ]
    return Verdict(
        sent=ledger.sent + ledger.bad_sent,
        acknowledged=ledger.acknowledged_offers + ledger.bad_acknowledged.total(),
        stored=len(stored),
        duplicate=max(
            0,
            ledger.acknowledged_offers
            - sum(map(len, (stored, index.conflicts, lost, dead - set(index.events)))),
        ),
        conflict=len(index.conflicts),
        dead=len(index.letters),
        lost=len(lost) + bad_lost.total(),
        doubled=doubled,
        problems=problems,
    )


def _read(url: str) -> _Index:
    events = query(
        url,
        "SELECT run_number, event_number, olt_result, dsid_raw, fuid_raw::text "
        "FROM collection_events",
    )
    conflicts = query(
        url,
        "SELECT run_number, event_number, stored_olt_result, stored_dsid_raw, "
        "stored_fuid_raw::text, offered_olt_result, offered_dsid_raw, offered_fuid_raw::text "
        "FROM event_conflict",
    )
    # Kept in the writing transaction, beside the events.
    tables = ("run", "raw_file", "event_page")
    return _Index(
        [((run, event), Value(*value)) for run, event, *value in events],
        [((run, event), Value(*v[:3]), Value(*v[3:])) for run, event, *v in conflicts],
        [bytes(payload) for (payload,) in query(url, "SELECT payload FROM dead_letter")],
        {t: query(url, f"SELECT coalesce(sum(n_events), 0) FROM {t}")[0][0] for t in tables},
    )


def _events_of(payload: bytes) -> Iterator[tuple[Key, Value]]:
    """The events that a dead letter holds, one or an array."""
    try:
        found = json.loads(payload)
        for event in found if isinstance(found, list) else [found]:
            value = Value(event["olt_result"], event["dsid_raw"], event["fuid_raw"])
            yield (event["run_number"], event["event_number"]), value
    except (ValueError, KeyError, TypeError):
        return
