"""The MQTT door: keeps one connection to the broker and puts its messages into the intake.

Callbacks only enqueue. A message is acknowledged by the pipeline, after its commit, on the
connection that brought it last; where that has ended, when the broker sends the message again.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from paho.mqtt.enums import MQTTProtocolVersion

from ingest_service.decode.topics import Topics
from ingest_service.metrics import Metrics
from ingest_service.mqtt.broker_watch import BrokerWatch
from ingest_service.mqtt.connection import (
    BrokerError,
    Connection,
    NoAnswerError,
    SubscriptionRefusedError,
    VersionRefusedError,
)
from ingest_service.mqtt.link import Message
from ingest_service.mqtt.session_memory import SessionMemory
from ingest_service.mqtt.submission import MqttSubmission, Unanswered
from ingest_service.pipeline.intake import Intake
from service_kit.health import Pulse
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
_BACKOFF_FIRST_S = 0.25
# After a connection that lasted this long the next attempt comes at once.
_GOOD_S = 5.0
_POLL_S = 1.0
_ALARMS_MAX = 1_000
_SILENCE_MAX_S = 120.0


class Bridge:
    """Supervises the connection to the broker from a thread of its own.

    Attributes:
        pulse: tells whether that thread makes progress.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        intake: Intake,
        metrics: Metrics,
        on_crash: Callable[[], None] = lambda: None,
    ) -> None:
        self._topics = topics
        self._metrics = metrics
        self._settings = settings
        self._intake = intake
        self._version = _V311 if settings.mqtt_version == "3.1.1" else _V5
        self._spoke_5 = False
        self._wide = settings.wrong_topic_letters_max > 0
        self._filters = topics.filters
        self._watch = BrokerWatch(settings, metrics, SessionMemory(settings))
        self._unanswered = Unanswered()
        self._current: Connection | None = None
        # The last connection that was paused: each pause is logged once a connection.
        self._paused: Connection | None = None
        self._alarmed: set[str] = set()
        self._intake_stopped = False
        self._stopping = threading.Event()
        self._on_crash = on_crash
        self._problem: str | None = "not connected yet"
        self._thread = threading.Thread(target=self._run, name="mqtt-bridge", daemon=True)
        self.pulse = Pulse(_SILENCE_MAX_S, self._has_not_ended)

    def start(self) -> None:
        """Start to connect."""
        self._thread.start()

    def _has_not_ended(self) -> bool:
        return self._thread.ident is None or self._thread.is_alive()

    def stop_intake(self) -> None:
        """Take no more messages; the connection stays, for acknowledgements."""
        self._intake_stopped = True

    def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        connection = self._current
        if connection is not None and self._problem is None:
            connection.flush(self._filters[0])
        self._stopping.set()
        if connection is not None:
            connection.disconnect()
        self._thread.join(5.0)

    def broker_problem(self) -> str | None:
        """Return why the broker is not there, None when the bridge is subscribed."""
        return self._problem

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                self._wait_for_room()
                lived_s = self._serve_one_connection()
                failures = 0 if lived_s >= _GOOD_S else failures + 1
                self._stopping.wait(self._backoff_s(failures))
                self.pulse.beat()
        except Exception:
            log.critical("the bridge's thread ends", exc_info=True)
            self._on_crash()

    def _serve_one_connection(self) -> float:
        """Connect, subscribe, wait for the end; how long that went well, seconds."""
        try:
            connection = Connection(
                self._settings, self._version, self._on_messages, self._metrics.acks_dropped
            )
        except OSError as error:
            self._is_down(f"cannot connect to the broker: {error}")
            return 0.0
        self._current = connection
        started = None
        try:
            accepted = connection.open()
            self._spoke_5 |= self._version == _V5
            if self._watch.asks_again(accepted):
                return _GOOD_S
            self._metrics.broker_connected()
            self._watch.accepted(accepted)
            self._subscribe(connection, again=accepted.session_present)
            self._watch.subscribe(connection)
            self._is_up()
            started = time.monotonic()
            self._wait_for_end(connection)
            self._is_down(connection.end_reason)
        except BrokerError as error:
            self._is_down(str(error))
            self._choose_version(error)
        finally:
            self._metrics.broker_up(up=False)
            connection.close()
        return 0.0 if started is None else time.monotonic() - started

    def _subscribe(self, connection: Connection, *, again: bool) -> None:
        """Subscribe to what lies beside the topics too, or to them alone where that is refused."""
        wide, narrow = self._topics.wide_filters, self._topics.filters
        self._filters, others = (wide, narrow) if self._wide else (narrow, wide)
        try:
            connection.subscribe(self._filters)
        except SubscriptionRefusedError as error:
            if not self._wide:
                raise
            self._take_topics_alone(str(error))
            self._filters, others = narrow, wide
            connection.subscribe(narrow)
        except NoAnswerError as error:
            # Some brokers end the connection over a subscription that they do not allow.
            if self._wide:
                self._take_topics_alone(str(error))
            raise
        if again:
            connection.unsubscribe(others)

    def _take_topics_alone(self, reason: str) -> None:
        self._wide = False
        log.warning("messages on wrong topics will not be seen: %s", reason)

    def _wait_for_end(self, connection: Connection) -> None:
        self._watch.settle()
        while not connection.wait_for_end(_POLL_S):
            self.pulse.beat()
            self._watch.settle()
            if self._stopping.is_set():
                return

    def _wait_for_room(self) -> None:
        """Stay away while the queue is full: what the broker would send has no place."""
        room = threading.Event()
        self._intake.when_half_empty(room.set)
        while not room.wait(_POLL_S) and not self._stopping.is_set():
            self.pulse.beat()

    def _choose_version(self, error: BrokerError) -> None:
        """Fall back where MQTT 5 is refused, in words or by silence before it ever worked."""
        # An MQTT 3.1.1 broker may take "$share/…" for an ordinary topic filter.
        if self._settings.mqtt_version != "auto" or self._settings.mqtt_share_group:
            return
        refused = isinstance(error, VersionRefusedError)
        silent = isinstance(error, NoAnswerError) and not self._spoke_5
        if not (refused or silent):
            return
        self._version = _V311 if self._version == _V5 else _V5
        log.info("trying %s next", self._version.name)

    def _on_messages(self, connection: Connection, messages: list[Message]) -> None:
        """Put messages into the intake. In the network thread: an exception ends the connection."""
        if self._intake_stopped:
            return
        submissions = [
            submission
            for message in messages
            if message.qos or not self._watch.took(message)
            if (submission := self._submission(connection, message)) is not None
        ]
        if not self._intake.add(submissions):
            if self._paused is not connection:
                self._paused = connection
                log.warning("the queue is full: reading no messages until half of it is stored")
            connection.pause()
            self._intake.when_half_empty(connection.resume)

    def _submission(self, connection: Connection, message: Message) -> MqttSubmission | None:
        """Make a submission of a message; None of one that waits, or was stored, already."""
        route = self._topics.route(message.topic)
        if message.qos == 1 and self._unanswered.goes_on(connection, message, route):
            return None
        if message.qos != 1:
            self._alarm_once(route.topic, message.qos)
        if not message.payload:
            self._metrics.empty_message(route.kind)
        return MqttSubmission(self._unanswered, connection, message, route)

    def _alarm_once(self, topic: str, qos: int) -> None:
        if topic not in self._alarmed and len(self._alarmed) < _ALARMS_MAX:
            self._alarmed.add(topic)
            log.error("a message came at QoS %d on %s; only QoS 1 is safe", qos, topic)

    def _is_up(self) -> None:
        self._problem = None
        self._metrics.broker_up(up=True)
        log.info("subscribed over %s to %s", self._version.name, ", ".join(self._filters))

    def _is_down(self, problem: str) -> None:
        if self._stopping.is_set():
            return
        if self._problem != problem:
            log.warning("the broker is away: %s", problem)
        self._problem = problem

    def _backoff_s(self, failures: int) -> float:
        longest = min(
            self._settings.mqtt_reconnect_max_s, _BACKOFF_FIRST_S * 2 ** min(failures, 20)
        )
        return random.uniform(longest / 2, longest)  # noqa: S311  # spreads reconnections, no secret
