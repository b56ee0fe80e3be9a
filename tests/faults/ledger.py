"""What was sent, what was acknowledged, and what of it the index holds.

The promise under test: an event that was acknowledged is in the index exactly once, or in the
conflicts beside the value that was first, or in the dead letters with a reason.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.conftest import query


class Value(NamedTuple):
    """What an event says, beside its numbers."""

    olt_result: int
    dsid_raw: int
    fuid_raw: str


Key = tuple[int, int]


class Ledger:
    """Every event that was sent, with each value it was offered with, and what was acknowledged.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.offers: dict[Key, set[Value]] = defaultdict(set)
        self.acknowledged: dict[Key, set[Value]] = defaultdict(set)
        self.sent = 0
        self.acknowledged_offers = 0
        self.bad_sent = 0
        self.bad_acknowledged: Counter[bytes] = Counter()

    def send(self, key: Key, value: Value) -> None:
        """An event is about to be sent."""
        with self._lock:
            self.sent += 1
            self.offers[key].add(value)

    def acknowledge(self, key: Key, value: Value) -> None:
        """The broker or the ingest service has acknowledged it."""
        with self._lock:
            self.acknowledged_offers += 1
            self.acknowledged[key].add(value)

    def acknowledge_bad(self, payload: bytes) -> None:
        """A message that cannot be stored was acknowledged: it has to be a dead letter."""
        with self._lock:
            self.bad_acknowledged[payload] += 1


@dataclass
class Verdict:
    """The ledger beside the database; `text` is the line that a scenario prints."""

    sent: int
    acknowledged: int
    stored: int
    duplicates: int
    conflicts: int
    dead: int
    lost: int
    doubled: int
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing lost, nothing doubled, nothing else wrong."""
        return not (self.lost or self.doubled or self.problems)

    def text(self) -> str:
        """One line, and one more for each problem."""
        names = (
            *("sent", "acknowledged", "stored", "duplicates", "conflicts"),
            *("dead", "lost", "doubled"),
        )
        line = ", ".join(f"{name} {getattr(self, name)}" for name in names)
        return "\n".join([line, *self.problems])


def check(ledger: Ledger, url: str) -> Verdict:
    """Compare the ledger with the index, the conflicts and the dead letters.

    Args:
        ledger: all senders have ended.
        url: of the database; nothing writes any more.
    """
    rows = query(
        url,
        "SELECT run_number, event_number, olt_result, dsid_raw, fuid_raw::text FROM events",
    )
    stored: dict[Key, Value] = {}
    doubled = 0
    for run, event, *value in rows:
        doubled += (run, event) in stored
        stored[run, event] = Value(*value)
    offered: dict[Key, set[Value]] = defaultdict(set)
    conflict_rows = query(
        url,
        "SELECT run_number, event_number, offered_olt_result, offered_dsid_raw, "
        "offered_fuid_raw::text, stored_olt_result, stored_dsid_raw, stored_fuid_raw::text, times "
        "FROM event_conflict",
    )
    problems: list[str] = []
    for run, event, *values, _times in conflict_rows:
        key, new, old = (run, event), Value(*values[:3]), Value(*values[3:])
        doubled += new in offered[key]
        offered[key].add(new)
        if stored.get(key) != old:
            problems.append(f"conflict of {key}: {old} was stored, the index has {stored.get(key)}")
    dead, bad_lost = _dead_letters(ledger, url)
    lost = bad_lost
    for key, values in ledger.acknowledged.items():
        for value in values:
            if stored.get(key) != value and value not in offered[key] and (key, value) not in dead:
                lost += 1
                problems.append(f"lost: {key} {value}")
    problems += [f"never sent: {key}" for key in stored.keys() - ledger.offers.keys()]
    problems += _counts(url, len(stored))
    return Verdict(
        sent=ledger.sent,
        acknowledged=ledger.acknowledged_offers,
        stored=len(stored),
        duplicates=max(0, ledger.acknowledged_offers - len(stored) - len(conflict_rows)),
        conflicts=len(conflict_rows),
        dead=query(url, "SELECT count(*) FROM dead_letter")[0][0],
        lost=lost,
        doubled=doubled,
        problems=problems[:20],
    )


def _dead_letters(ledger: Ledger, url: str) -> tuple[set[tuple[Key, Value]], int]:
    """Events that are dead letters, and how many bad messages have none."""
    events: set[tuple[Key, Value]] = set()
    kept: Counter[bytes] = Counter()
    for (payload,) in query(url, "SELECT payload FROM dead_letter"):
        kept[bytes(payload)] += 1
        try:
            event = json.loads(bytes(payload))
            value = Value(event["olt_result"], event["dsid_raw"], event["fuid_raw"])
            events.add(((event["run_number"], event["event_number"]), value))
        except (ValueError, KeyError, TypeError):
            continue
    return events, sum((ledger.bad_acknowledged - kept).values())


def _counts(url: str, stored: int) -> list[str]:
    """The counts that are kept in the writing transaction, beside the events."""
    found = query(
        url,
        "SELECT (SELECT coalesce(sum(n_events), 0) FROM run), "
        "(SELECT coalesce(sum(n_events), 0) FROM raw_file), "
        "(SELECT coalesce(sum(n_events), 0) FROM event_page)",
    )[0]
    return [
        f"{table} counts {number} events, the index holds {stored}"
        for table, number in zip(("run", "raw_file", "event_page"), found, strict=True)
        if number != stored
    ]
