"""Collect, decode, store, record refusals, acknowledge: one writer thread for both doors.

Acknowledges in the order of submission, and only after everything that went before is committed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Sequence

from event_store.model import DeadLetter
from ingest_service.metrics import Metrics
from ingest_service.model import (
    Decoded,
    Door,
    Kind,
    MalformedBatch,
    Reason,
    Receipt,
    Rejection,
    Submission,
)
from ingest_service.pipeline.intake import Intake
from ingest_service.pipeline.search import Item
from ingest_service.pipeline.storing import AbandonedError, EventStore, Storing
from service_kit.settings import MESSAGE_BYTES_MAX, REFUSED_ELEMENTS_MAX, Settings

log = logging.getLogger(__name__)

_IDLE_S = 1.0
_LOOK_EVERY_S = 5.0
# Senders that keep a window open send the next message within this time, if they can.
_QUIET_S = 0.005


class Pipeline:
    """The writer thread and the queue before it."""

    def __init__(
        self,
        store: EventStore,
        settings: Settings,
        metrics: Metrics,
        on_crash: Callable[[], None] = lambda: None,
    ) -> None:
        self.intake = Intake(settings.queue_messages_max, settings.queue_bytes_max)
        self._storing = Storing(
            store, metrics, settings.retry_max_s, settings.dead_letters_bytes_max
        )
        self._metrics = metrics
        self._events_max = settings.batch_events_max
        self._age_s = settings.batch_age_max_ms / 1000
        # While half of the broker's window is being stored, the other half comes in.
        self._messages_max = max(1, settings.mqtt_receive_maximum // 2)
        self._silence_max_s = 60 + 3 * settings.database_stall_timeout_s
        self._draining = threading.Event()
        self._on_crash = on_crash
        self._looked = 0.0
        # Taken from the intake and not yet in a batch; the writer thread's alone.
        self._taken: deque[Submission] = deque()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Start to store what is offered to `intake`."""
        self._thread.start()

    def drain(self, timeout_s: float) -> bool:
        """Store and acknowledge what was taken in, then end; whether that was done in time.

        Nothing may be offered any more. What is not stored in time is not acknowledged.
        """
        self._draining.set()
        self.intake.wake()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return True
        self._storing.abandon()
        self._thread.join(timeout_s)
        return False

    def problem(self) -> str | None:
        """Return what is wrong with the writer thread, None when it makes progress."""
        if not self._thread.is_alive():
            return "the writer thread has ended"
        silence_s = time.monotonic() - self._storing.beat
        return f"no progress for {silence_s:.0f} s" if silence_s > self._silence_max_s else None

    def database_problem(self) -> str | None:
        """Return why the database did not answer last time, None when it did."""
        return self._storing.database_problem

    def dead_letters_problem(self) -> str | None:
        """Return that there is no room for dead letters, None while there is."""
        return self._storing.dead_letters_problem

    def _run(self) -> None:
        try:
            if self._wait_for_usable_database():
                self._look_at_letters()
                while self._step():
                    pass
        except AbandonedError:
            log.warning("stopped while the database was away; the senders keep what was not stored")
        except Exception:
            log.critical("the writer thread ends", exc_info=True)
            self._on_crash()
        finally:
            self._give_back()
            self._storing.close()

    def _wait_for_usable_database(self) -> bool:
        """Store nothing in a database that may lose it; False when the service stops before."""
        while not self._storing.check():
            if self._draining.wait(_IDLE_S):
                return False
        return True

    def _look_at_letters(self) -> None:
        self._storing.look_at_letters()
        self._looked = time.monotonic()

    def _step(self) -> bool:
        self._storing.beat = time.monotonic()
        # Somebody discards them, here or by another service.
        if self._storing.dead_letters_problem and (time.monotonic() - self._looked > _LOOK_EVERY_S):
            self._look_at_letters()
        submissions, items, refused = self._collect()
        if submissions:
            try:
                self._process(submissions, items, refused)
            except BaseException:
                for submission in submissions:
                    submission.abandon()
                raise
            return True
        if self._draining.is_set():
            return False
        if time.monotonic() - self._storing.last_answer > _LOOK_EVERY_S:
            self._look_at_letters()
        return True

    def _collect(
        self,
    ) -> tuple[list[Submission], list[Item], dict[int, MalformedBatch]]:
        """Return submissions up to a batch by size, age or silence, decoded or refused."""
        submissions: list[Submission] = []
        items: list[Item] = []
        refused: dict[int, MalformedBatch] = {}
        events, started, hurry = 0, 0.0, self._draining.is_set()
        submission = self._next(0.0 if hurry else _IDLE_S)
        while submission is not None:
            now = time.monotonic()
            started = started or now
            try:
                decoded = submission.decode()
                items.append(Item(submission, decoded))
                events += decoded.offered
            except MalformedBatch as error:
                refused[len(submissions)] = error
            submissions.append(submission)
            # At the gRPC door somebody waits for the answer: take what is there, wait for nothing.
            hurry = hurry or submission.door is Door.GRPC
            wait_s = started + self._age_s - now
            if events >= self._events_max or len(submissions) >= self._messages_max or wait_s <= 0:
                break
            submission = self._next(0.0 if hurry else min(_QUIET_S, wait_s))
        self._count(submissions, items, refused)
        return submissions, items, refused

    def _next(self, timeout_s: float) -> Submission | None:
        if not self._taken:
            self._taken = self.intake.take_all(timeout_s)
        return self._taken.popleft() if self._taken else None

    def _process(
        self,
        submissions: Sequence[Submission],
        items: Sequence[Item],
        refused: dict[int, MalformedBatch],
    ) -> None:
        full = [item for item in items if len(item.decoded.runs)]
        stored = iter(self._storing.store(full))
        decoded = iter(items)
        results: list[Receipt] = []
        letters: list[DeadLetter] = []
        for index, submission in enumerate(submissions):
            if index in refused:
                receipt = _whole_refused(refused[index])
                letters += _letter_of_message(
                    submission, refused[index].reason, refused[index].detail
                )
            else:
                item = next(decoded)
                receipt = next(stored) if len(item.decoded.runs) else _only_rejections(item)
                if receipt.rejections:
                    letters += _letters(submission, item.decoded, receipt)
            results.append(receipt)
        self._storing.keep_dead_letters(letters)
        self._finish(submissions, results)

    def _finish(self, submissions: Sequence[Submission], results: Sequence[Receipt]) -> None:
        for door in Door:
            self._metrics.finished(
                door,
                (r for s, r in zip(submissions, results, strict=True) if s.door is door),
            )
        for submission, receipt in zip(submissions, results, strict=True):
            try:
                submission.finish(receipt)
            except Exception:
                log.exception("the sender of a stored submission could not be told")
        self.intake.release(len(submissions), sum(s.size_bytes for s in submissions))

    def _count(
        self,
        submissions: Sequence[Submission],
        items: Sequence[Item],
        refused: dict[int, MalformedBatch],
    ) -> None:
        messages: Tally[tuple[Door, Kind]] = Tally((s.door, s.kind) for s in submissions)
        events: Tally[Door] = Tally(submissions[index].door for index in refused)
        for item in items:
            events[item.submission.door] += item.decoded.offered
        self._metrics.messages_received(messages, events)
        repaired = sum(item.decoded.repaired for item in items)
        if repaired:
            self._metrics.repaired(repaired)
        self._metrics.clock_problems(
            Tally(
                record.clock_problem
                for item in items
                for record in item.decoded.cosmic.values()
                if record.clock_problem
            )
        )

    def _give_back(self) -> None:
        while (submission := self._next(0.0)) is not None:
            submission.abandon()


def _only_rejections(item: Item) -> Receipt:
    return Receipt(rejections=item.decoded.rejections)


def _whole_refused(error: MalformedBatch) -> Receipt:
    return Receipt(rejections=[Rejection(0, error.reason, error.detail)])


def _letters(submission: Submission, decoded: Decoded, receipt: Receipt) -> list[DeadLetter]:
    if submission.door is not Door.MQTT:
        return []
    if len(receipt.rejections) > REFUSED_ELEMENTS_MAX:
        return _letter_of_message(submission, *_summary(decoded, receipt))
    return [
        _letter(submission, decoded.piece(rejection.position), rejection.reason, rejection.detail)
        for rejection in receipt.rejections
    ]


def _summary(decoded: Decoded, receipt: Receipt) -> tuple[Reason, str]:
    """Return the most frequent reason, and how often each was one."""
    reasons = Tally(rejection.reason for rejection in receipt.rejections).most_common()
    counts = ", ".join(f"{reason} {count}" for reason, count in reasons)
    first = receipt.rejections[0]
    return reasons[0][0], (
        f"{len(receipt.rejections)} of {decoded.offered} events are refused ({counts}), any others "
        f"are stored; the first is event {first.position}: {first.detail}"
    )


def _letter_of_message(submission: Submission, reason: Reason, detail: str) -> list[DeadLetter]:
    if submission.door is not Door.MQTT:
        return []
    payload, truncated = submission.payload()
    return [_letter(submission, payload, reason, detail, truncated=truncated)]


def _letter(
    submission: Submission, payload: bytes, reason: Reason, detail: str, *, truncated: bool = False
) -> DeadLetter:
    return DeadLetter(
        topic=_storable(submission.topic),
        payload=payload[:MESSAGE_BYTES_MAX],
        reason=str(reason),
        detail=_storable(detail),
        source=_storable(submission.source),
        truncated=truncated or len(payload) > MESSAGE_BYTES_MAX,
        once=submission.retained,
    )


def _storable(text: str) -> str:
    """Replace what PostgreSQL takes in no text: NUL, and half of a surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
