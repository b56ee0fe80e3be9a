"""What the service counts. With `broker_metrics` the only module here that knows Prometheus.

In events: received = inserted + duplicate + conflict + rejected + storing. A message that cannot
be decoded counts as one event.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from eventindex.v1 import admin_pb2
from ingest_service.broker_metrics import BrokerMetrics
from ingest_service.call_metrics import CallMetrics
from ingest_service.decode.topics import KINDS
from ingest_service.model import ClockProblem, Door, Reason, Receipt
from service_kit.instruments import Instruments

_EVENTS_BUCKETS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics(BrokerMetrics):
    """Observations in, metrics out. All methods may be called from any thread.

    Attributes:
        calls: what is told of the calls of both gRPC services.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, with_broker: bool = True) -> None:
        """Without a broker its numbers are in a registry that nobody reads."""
        super().__init__(Instruments(registry if with_broker else CollectorRegistry()))
        instruments = Instruments(registry)
        self._make_events(instruments)
        self._make_stored(instruments)
        self.calls = CallMetrics(instruments)
        info = instruments.gauge("build_info", "The version of the service.", "service", "version")
        info.labels("ingest_service", version("eventindex")).set(1)
        self._show_zeros()

    def _make_events(self, instruments: Instruments) -> None:
        counter, gauge = instruments.counter, instruments.gauge
        self._messages = counter(
            "ingest_received_messages", "Messages and batches that came in.", "door", "kind"
        )
        self._received = counter("ingest_received_events", "Events that came in.", "door")
        self._inserted = counter("ingest_inserted_events", "New events, committed.", "door")
        self._duplicates = counter(
            "ingest_duplicate_events", "Events that were there with the same values.", "door"
        )
        self._conflicts = counter(
            "ingest_conflict_events", "Events that were there with other values.", "door"
        )
        self._rejected = counter(
            "ingest_rejected_events", "Events that were refused.", "door", "reason"
        )
        self._storing = gauge(
            "ingest_storing_events", "Events of the batch that is being stored.", "door"
        )
        self._repaired = counter(
            "ingest_repaired_events", "Telescope records whose brackets were repaired."
        )
        self._clock_problems = counter(
            "ingest_clock_problem_events", "Telescope records with a doubtful time.", "problem"
        )
        self._empty = counter(
            "ingest_empty_messages", "Empty messages, which clear retained ones.", "kind"
        )

    def _make_stored(self, instruments: Instruments) -> None:
        counter, gauge, histogram = instruments.counter, instruments.gauge, instruments.histogram
        self._letters_known = counter(
            "ingest_known_dead_letters", "Refusals of retained messages that were letters before."
        )
        self._letters = counter("ingest_dead_letters", "Dead letters that were stored.", "reason")
        self._letters_left = counter(
            "ingest_dead_letters_left", "Dead letters that were not stored for lack of room."
        )
        self._letters_bytes = gauge("ingest_dead_letters_bytes", "What the dead letters take.")
        self._letters_bytes_max = gauge("ingest_dead_letters_bytes_max", "What they may take.")
        self._files_refused = counter(
            "ingest_refused_files",
            "Files that came with another name, size or checksum than was noted before.",
        )
        self._batch_events = histogram(
            "ingest_batch_events", "Events that were stored together.", buckets=_EVENTS_BUCKETS
        )
        self._commit_seconds = histogram(
            "ingest_commit_seconds", "Seconds from a batch to its commit.", buckets=_SECONDS_BUCKETS
        )
        self._retries = counter("ingest_store_retries", "Attempts that PostgreSQL did not answer.")
        self._database_up = gauge("database_up", "Whether PostgreSQL answered last time.")

    def _show_zeros(self) -> None:
        """Show zeros: counters that start at their first event hide that event from rate()."""
        for door in Door:
            for metric in (self._received, self._inserted, self._duplicates, self._conflicts):
                metric.labels(door)
            self._storing.labels(door)
            for kind in KINDS:
                self._messages.labels(door, kind)
            for reason in Reason:
                self._rejected.labels(door, reason)
        for reason in Reason:
            self._letters.labels(reason)
        for kind in KINDS:
            self._empty.labels(kind)
        for problem in ClockProblem:
            self._clock_problems.labels(problem)

    def message_refused(self, door: Door, kind: str, reason: Reason) -> None:
        """Note that a message was refused as a whole, before the pipeline."""
        self._messages.labels(door, kind).inc()
        self._received.labels(door).inc()
        self._rejected.labels(door, reason).inc()

    def messages_received(self, tally: Tally[tuple[Door, str]], events: Tally[Door]) -> None:
        """Note many messages at once: their number by door and kind, their events by door."""
        for (door, kind), count in tally.items():
            self._messages.labels(door, kind).inc(count)
        for door, count in events.items():
            self._received.labels(door).inc(count)
            self._storing.labels(door).inc(count)

    def status(self) -> admin_pb2.IngestStatusResponse:
        """Return what has come in since the start."""
        return admin_pb2.IngestStatusResponse(
            doors=map(self._door_status, Door), version=version("eventindex")
        )

    def _door_status(self, door: Door) -> admin_pb2.DoorStatus:
        rejected = _by_label(self._rejected, door, "reason")
        return admin_pb2.DoorStatus(
            door=door,
            received=_total(self._received, door),
            inserted=_total(self._inserted, door),
            duplicates=_total(self._duplicates, door),
            conflicts=_total(self._conflicts, door),
            rejected=sum(rejected.values()),
            # Counted up and down by several threads, it may be below 0 for a moment.
            pending=max(0, _total(self._storing, door)),
            rejected_by_reason=rejected,
            messages_by_kind=_by_label(self._messages, door, "kind"),
        )

    def repaired(self, events: int) -> None:
        """Note that telescope records were repaired."""
        self._repaired.inc(events)

    def clock_problems(self, tally: Mapping[str, int]) -> None:
        """Note that telescope records with a doubtful time came in."""
        for problem, count in tally.items():
            self._clock_problems.labels(problem).inc(count)

    def empty_message(self, kind: str) -> None:
        """Note that a message without a payload came in."""
        self._empty.labels(kind).inc()

    def letters_known(self, letters: int) -> None:
        """Note that retained messages were refused that are dead letters already."""
        self._letters_known.inc(letters)

    def finished(self, door: Door, receipts: Iterable[Receipt]) -> None:
        """Note that submissions are done: committed or recorded as refused."""
        inserted = duplicates = conflicts = 0
        reasons: Tally[Reason] = Tally()
        for receipt in receipts:
            inserted += receipt.inserted
            duplicates += receipt.duplicates
            conflicts += receipt.conflicts
            if receipt.rejections:
                reasons.update(rejection.reason for rejection in receipt.rejections)
        self._inserted.labels(door).inc(inserted)
        self._duplicates.labels(door).inc(duplicates)
        self._conflicts.labels(door).inc(conflicts)
        for reason, count in reasons.items():
            self.rejected(door, reason, count)
        self._storing.labels(door).dec(inserted + duplicates + conflicts)

    def rejected(self, door: Door, reason: Reason, events: int) -> None:
        """Note that events of the batch were refused."""
        self._rejected.labels(door, reason).inc(events)
        self._storing.labels(door).dec(events)

    def dead_letter(self, reason: str) -> None:
        """Note that a dead letter was stored."""
        self._letters.labels(reason).inc()

    def files_refused(self, files: int) -> None:
        """Files came with other values than were noted before, which stay."""
        self._files_refused.inc(files)

    def dead_letters_left(self, letters: int) -> None:
        """Note that there was no room for dead letters."""
        self._letters_left.inc(letters)

    def dead_letters_size(self, size_bytes: int, bytes_max: int) -> None:
        """Note how much all dead letters take, and may take."""
        self._letters_bytes.set(size_bytes)
        self._letters_bytes_max.set(bytes_max)

    def committed(self, events: int, seconds: float) -> None:
        """Note that a batch was committed."""
        self._batch_events.observe(events)
        self._commit_seconds.observe(seconds)

    def store_retry(self) -> None:
        """Note that PostgreSQL did not answer; the same will be tried again."""
        self._retries.inc()

    def database_up(self, *, up: bool) -> None:
        """Note whether PostgreSQL answered."""
        self._database_up.set(up)


def _by_label(metric: Counter | Gauge, door: Door, label: str) -> dict[str, int]:
    """Return what a metric counted at a door by another label; all in one without that."""
    return {
        sample.labels.get(label, ""): int(sample.value)
        for family in metric.collect()
        for sample in family.samples
        if sample.labels["door"] == door and sample.value and not sample.name.endswith("_created")
    }


def _total(metric: Counter | Gauge, door: Door) -> int:
    return sum(_by_label(metric, door, "").values())
