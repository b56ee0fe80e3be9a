"""Collect, decode, store, record refusals, acknowledge: one writer thread for both doors.

Acknowledges in the order of submission, and only after everything that went before is committed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Collection, Sequence

from ingest_service.decode.topics import COSMIC
from ingest_service.metrics import Metrics
from ingest_service.model import (
    Decoded,
    Door,
    MalformedBatchError,
    Receipt,
    Submission,
    Taken,
    new_commit_id,
)
from ingest_service.pipeline.busy import BusyClock
from ingest_service.pipeline.dead_letters import dead_letters
from ingest_service.pipeline.intake import Intake
from ingest_service.pipeline.patience import AbandonedError, Patience
from ingest_service.pipeline.storing import EventStore, Storing
from ingest_service.pipeline.wrong_topics import WrongTopics
from service_kit import calls, tracing
from service_kit.health import Pulse
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_IDLE_S = 1.0
_LOOK_EVERY_S = 5.0
# A sender that has more to send sends it within this time.
_QUIET_S = 0.005
# So many messages with dead letters are named in one line of the log.
_REFUSED_TOLD_MAX = 100


class Pipeline:
    """The writer thread and the queue before it.

    Attributes:
        pulse: tells whether that thread makes progress.
        busy: for how long it has worked.
    """

    def __init__(
        self,
        store: EventStore,
        settings: Settings,
        metrics: Metrics,
        on_crash: Callable[[], None] = lambda: None,
        heard: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """`heard` is told the detectors that messages came from."""
        self._heard = heard
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.pulse = Pulse(60 + 3 * settings.database_stall_timeout_s, self._has_not_ended)
        self.busy = BusyClock()
        self.intake = Intake(settings.queue_messages_max, settings.queue_bytes_max)
        self._patience = Patience(store, metrics, settings.retry_max_s, self.pulse.beat)
        self._storing = Storing(store, metrics, self._patience, settings.dead_letters_bytes_max)
        self._wrong_topics = WrongTopics(settings.wrong_topic_letters_max)
        self._metrics = metrics
        self._events_max = settings.batch_events_max
        self._age_s = settings.batch_age_max_ms / 1000
        # Store half of the broker's window at a time, so that the other half comes in meanwhile.
        self._messages_max = max(1, settings.mqtt_receive_maximum // 2)
        self._slow_call_s = settings.slow_call_s
        self._draining = threading.Event()
        self._on_crash = on_crash
        self._looked = 0.0
        # Taken out of the intake and not yet in a batch; used by the writer thread only.
        self._next_ones: deque[Submission] = deque()

    def start(self) -> None:
        """Start to store what is offered to `intake`."""
        self._thread.start()

    def _has_not_ended(self) -> bool:
        return self._thread.ident is None or self._thread.is_alive()

    def drain(self, timeout_s: float) -> bool:
        """Store and acknowledge what was taken in, then end; whether that was done in time.

        Nothing may be offered any more. What is not stored in time is not acknowledged.
        """
        self._draining.set()
        self.intake.wake()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            return True
        self._patience.abandon()
        self._thread.join(timeout_s)
        return False

    def database_problem(self) -> str | None:
        """Return why the database did not answer last time, None when it did."""
        return self._patience.database_problem

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
            self._patience.close()

    def _wait_for_usable_database(self) -> bool:
        """Store nothing in a database that may lose it; False when the service stops before."""
        while not self._patience.check():
            if self._draining.wait(_IDLE_S):
                return False
        return True

    def _look_at_letters(self) -> None:
        self._storing.look_at_letters()
        self._looked = time.monotonic()

    def _step(self) -> bool:
        self.pulse.beat()
        # Dead letters may have been discarded meanwhile, here or through another service.
        if self._storing.dead_letters_problem and (time.monotonic() - self._looked > _LOOK_EVERY_S):
            self._look_at_letters()
        taken = self._collect()
        if taken:
            # The last look for more may have waited in vain.
            self.busy.work()
            try:
                self._process(taken)
            except BaseException:
                for one in taken:
                    one.submission.abandon()
                raise
            return True
        if self._draining.is_set():
            return False
        if time.monotonic() - self._patience.last_answer > _LOOK_EVERY_S:
            self._look_at_letters()
        return True

    def _collect(self) -> list[Taken]:
        """Return submissions up to a batch by size, age or silence, decoded or refused."""
        taken: list[Taken] = []
        events, started, hurry = 0, 0.0, self._draining.is_set()
        submission = self._next(0.0 if hurry else _IDLE_S)
        while submission is not None:
            now = time.monotonic()
            started = started or now
            decoded = _decode(submission)
            taken.append(Taken(submission, decoded))
            events += decoded.offered
            # A gRPC sender waits for the answer: take what is there, do not wait for more.
            hurry = hurry or submission.door is Door.GRPC
            wait_s = started + self._age_s - now
            if events >= self._events_max or len(taken) >= self._messages_max or wait_s <= 0:
                break
            submission = self._next(0.0 if hurry else min(_QUIET_S, wait_s))
        self._count(taken)
        return taken

    def _next(self, timeout_s: float) -> Submission | None:
        if not self._next_ones:
            self._next_ones = self.intake.take_all(0.0)
        if not self._next_ones and timeout_s > 0:
            self.busy.rest()
            self._next_ones = self.intake.take_all(timeout_s)
        if self._next_ones:
            self.busy.work()
        return self._next_ones.popleft() if self._next_ones else None

    def _process(self, taken: Sequence[Taken]) -> None:
        began = time.monotonic()
        with calls.working_for(*(one.submission.request_id for one in taken)):
            receipts = self._storing.store(taken)
            letters = self._wrong_topics.admit(dead_letters(taken, receipts))
            self._storing.keep_dead_letters(letters)
        self._say(taken, receipts, time.monotonic() - began)
        for door in Door:
            self._metrics.finished(
                door,
                (r for t, r in zip(taken, receipts, strict=True) if t.submission.door is door),
            )
        for one, receipt in zip(taken, receipts, strict=True):
            try:
                one.submission.finish(receipt)
            except Exception:
                log.exception("the sender of a stored submission could not be told")
        self.intake.release([one.submission for one in taken])

    def _say(self, taken: Sequence[Taken], receipts: Sequence[Receipt], seconds: float) -> None:
        """Let the log lead from each message to its commit, and to its dead letters."""
        traced = (one.submission.traceparent for one in taken)
        tracing.note("commit", seconds, traced, messages=len(taken))
        slow = seconds >= self._slow_call_s
        commit = new_commit_id()
        refused = [
            {
                "request_id": one.submission.request_id,
                "topic": one.submission.topic,
                "reason": receipt.rejections[0].reason,
            }
            for one, receipt in zip(taken, receipts, strict=True)
            if receipt.rejections and one.submission.door is Door.MQTT
        ]
        told = slow or bool(refused)
        extra: dict[str, object] = {"commit": commit, "seconds": round(seconds, 6)}
        if slow or log.isEnabledFor(logging.DEBUG):
            extra["messages"] = [one.submission.request_id for one in taken]
        text = "commit %s: stored %d messages in %.3f s"
        level = logging.INFO if told else logging.DEBUG
        log.log(level, text, commit, len(taken), seconds, extra=extra)
        if refused:
            log.info(
                "commit %s: %d messages hold what is refused; the first: topic %r, %s [%s]",
                *(commit, len(refused), refused[0]["topic"], refused[0]["reason"]),
                refused[0]["request_id"],
                extra={"commit": commit, "messages": refused[:_REFUSED_TOLD_MAX]},
            )

    def _count(self, taken: Sequence[Taken]) -> None:
        messages = Tally((one.submission.door, one.submission.kind) for one in taken)
        events: Tally[Door] = Tally()
        for one in taken:
            events[one.submission.door] += one.decoded.offered
        self._metrics.messages_received(messages, events)
        self._heard({one.submission.source for one in taken if _is_heard(one)})
        repaired = sum(one.decoded.repaired for one in taken)
        if repaired:
            self._metrics.repaired(repaired)
        self._metrics.clock_problems(
            Tally(
                record.clock_problem
                for one in taken
                for record in one.decoded.cosmic.values()
                if record.clock_problem
            )
        )

    def _give_back(self) -> None:
        while (submission := self._next(0.0)) is not None:
            submission.abandon()


def _is_heard(one: Taken) -> bool:
    """Return whether a detector itself sent it: records in bulk come over gRPC."""
    submission = one.submission
    return submission.door is Door.MQTT and submission.kind == COSMIC and submission.source != ""


def _decode(submission: Submission) -> Decoded:
    try:
        return submission.decode()
    except MalformedBatchError as error:
        return Decoded.refused(error, submission.payload())
