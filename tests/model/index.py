"""The index as a dictionary: what the services have to answer after any mix of calls. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from eventindex import Ack, DatasetState

Key = tuple[int, int]


class Value(NamedTuple):
    """What an event says beside its run and its number."""

    fuid_raw: str
    dsid_raw: int
    olt_result: int


class Offer(NamedTuple):
    """An event as somebody sends it."""

    key: Key
    value: Value


@dataclass
class Conflict:
    """What is known of a conflict; `times` is the lowest number where a crash may repeat it."""

    stored: Value
    times: int = 0
    resolution: str = ""


@dataclass
class Model:
    """Events, conflicts, dataset states and dead letters.

    Attributes:
        events: the value of each event.
        conflicts: by event and offered value.
        states: of each dataset that was ever named.
        runs: every run that was ever written to.
        dead: events that were refused over MQTT.
        repeats: whether a crash may have repeated offers: counts of conflicts and dead letters are
            then lower bounds.
        unsure: refused offers that a repetition may have made conflicts.
    """

    events: dict[Key, Value] = field(default_factory=dict)
    conflicts: dict[Offer, Conflict] = field(default_factory=dict)
    states: dict[int, DatasetState] = field(default_factory=dict)
    runs: set[int] = field(default_factory=set)
    dead: Counter[Offer] = field(default_factory=Counter)
    repeats: bool = False
    unsure: set[Offer] = field(default_factory=set)

    def ingest(self, offers: Iterable[Offer]) -> tuple[Ack, list[int]]:
        """Store a batch; the acknowledgement without its texts, and the refused positions."""
        offers = list(offers)
        counts: Counter[str] = Counter()
        rejected = []
        before = {offer.key for offer in offers if offer.key in self.events}
        for position, (key, value) in enumerate(offers):
            self.runs.add(key[0])
            state = self.states.setdefault(value.dsid_raw, DatasetState.OPEN)
            if state != DatasetState.OPEN and key not in before:
                rejected.append(position)
            elif key not in self.events:
                self.events[key] = value
                counts["inserted"] += 1
            elif self.events[key] == value:
                counts["duplicates"] += 1
            else:
                self._conflict(Offer(key, value))
                counts["conflicts"] += 1
        acknowledged = (counts["inserted"], counts["duplicates"], counts["conflicts"])
        return Ack(*acknowledged, len(rejected), ()), rejected

    def _conflict(self, offer: Offer) -> None:
        stored = self.events[offer.key]
        known = self.conflicts.setdefault(offer, Conflict(stored))
        known.times += 1
        if known.resolution != "kept":
            known.stored, known.resolution = stored, ""

    def keep(self, offer: Offer) -> None:
        """Decide a conflict: the stored value stays."""
        self.conflicts[offer].resolution = "kept"

    def may_replace(self, offer: Offer) -> bool:
        """Whether the offered value may take the place of the stored one."""
        same = offer.value.dsid_raw == self.conflicts[offer].stored.dsid_raw
        return same or self.states[offer.value.dsid_raw] == DatasetState.OPEN

    def replace(self, offer: Offer) -> None:
        """Decide a conflict: the offered value takes the place of the stored one."""
        self.events[offer.key] = offer.value
        self.conflicts[offer].resolution = "replaced"
        for other, conflict in self.conflicts.items():
            if other.key == offer.key and not conflict.resolution:
                conflict.stored = offer.value

    def delete(self, keys: Iterable[Key]) -> None:
        """Take events out, with what was said against them."""
        gone = set(keys)
        for key in gone:
            del self.events[key]
        for offer in [offer for offer in self.conflicts if offer.key in gone]:
            del self.conflicts[offer]
        self.unsure = {offer for offer in self.unsure if offer.key not in gone}

    def of_dataset(self, dsid: int) -> list[Key]:
        """The events of a dataset, ascending."""
        return sorted(key for key, value in self.events.items() if value.dsid_raw == dsid)

    def run_rows(self) -> dict[int, tuple[int, int, int, int, int]]:
        """Of each run with events: events, first, last, files, conflicts that are open."""
        numbers: dict[int, list[int]] = defaultdict(list)
        files: dict[int, set[str]] = defaultdict(set)
        for (run, event), value in self.events.items():
            numbers[run].append(event)
            files[run].add(value.fuid_raw)
        open_conflicts = Counter(
            offer.key[0] for offer, known in self.conflicts.items() if not known.resolution
        )
        return {
            run: (len(n), min(n), max(n), len(files[run]), open_conflicts[run])
            for run, n in numbers.items()
        }

    def file_rows(self) -> dict[tuple[int, str, int], tuple[int, int, int]]:
        """Of each file of a run: events, first, last."""
        numbers: dict[tuple[int, str, int], list[int]] = defaultdict(list)
        for (run, event), value in self.events.items():
            numbers[run, value.fuid_raw, value.dsid_raw].append(event)
        return {key: (len(n), min(n), max(n)) for key, n in numbers.items()}
