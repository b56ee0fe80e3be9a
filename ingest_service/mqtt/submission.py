"""A message on its way to the store, and which of them the broker still waits to hear about.

Never decodes by itself, and never decides when to connect.
"""

from __future__ import annotations

import threading

from eventindex.told import told
from ingest_service.decode.topics import Route
from ingest_service.model import Decoded, Door, MalformedBatchError, Reason, Receipt, Submission
from ingest_service.mqtt.connection import Connection
from ingest_service.mqtt.link import Message
from service_kit.settings import MESSAGE_BYTES_MAX


class MqttSubmission(Submission):
    """A message with the connection to acknowledge it on.

    Attributes:
        connection: that which brought the message last; changed under the lock of `Unanswered`.
    """

    __slots__ = ("_message_id", "_payload", "_route", "_unanswered", "connection", "retained")
    door = Door.MQTT

    def __init__(
        self, unanswered: Unanswered, connection: Connection, message: Message, route: Route
    ) -> None:
        super().__init__(route.kind, route.topic, route.source, len(message.payload))
        self.retained = message.retained
        self.connection = connection
        self._unanswered = unanswered
        self._route = route
        self._payload = message.payload
        self._message_id = message.message_id if message.qos == 1 else 0
        if self._message_id:
            unanswered.add(self._message_id, self)

    def decode(self) -> Decoded:
        """Return the events; the topic says what the payload is."""
        if self.size_bytes > MESSAGE_BYTES_MAX:
            raise MalformedBatchError(
                told(
                    "MESSAGE_TOO_LARGE",
                    "a message of {bytes} bytes; the limit is {limit}",
                    bytes=self.size_bytes,
                    limit=MESSAGE_BYTES_MAX,
                ),
                Reason.TOO_LARGE,
            )
        return self._route.decode(self._payload)

    def payload(self) -> bytes:
        """Return the message as it came."""
        return self._payload

    def is_of(self, message: Message, route: Route) -> bool:
        """Tell whether a message is this one once more."""
        return self._route.topic == route.topic and self._payload == message.payload

    def digest(self) -> int:
        """Return what tells it from others."""
        return _digest(self._route, self._payload)

    def finish(self, receipt: Receipt) -> None:  # noqa: ARG002  # the broker is told no counts
        """Acknowledge on the connection that brought the message last."""
        if self._message_id:
            self._unanswered.answer(self._message_id, self)

    def abandon(self) -> None:
        """Leave it to the broker, which sends again what was not acknowledged."""
        if self._message_id:
            self._unanswered.forget(self._message_id, self)


class Unanswered:
    """Messages at QoS 1 that are not acknowledged yet, by the id that the broker gave them.

    After a connection was lost, the broker sends them again under the same ids. Those that still
    wait here to be stored are the same messages: taken in twice, they would fill the queue with
    copies whose acknowledgements reach nobody, and with a full queue the next connection is lost.
    Those that were stored while there was no connection are acknowledged when they come again.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, MqttSubmission] = {}
        # Digests of what is dealt with and could not be acknowledged; at most one for each id.
        self._late: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, message_id: int, submission: MqttSubmission) -> None:
        """Remember a message."""
        with self._lock:
            self._by_id[message_id] = submission

    def goes_on(self, connection: Connection, message: Message, route: Route) -> bool:
        """Tell whether a message is here already: then it is acknowledged on this connection."""
        with self._lock:
            waiting = self._by_id.get(message.message_id)
            if waiting is not None and waiting.is_of(message, route):
                waiting.connection = connection
                return True
            if not self._late or (late := self._late.pop(message.message_id, None)) is None:
                return False
            if not message.again or late != _digest(route, message.payload):
                return False
            if not connection.ack(message.message_id):
                self._late[message.message_id] = late
            return True

    def answer(self, message_id: int, submission: MqttSubmission) -> None:
        """Acknowledge a message that is dealt with, where its connection has ended later."""
        with self._lock:
            if self._by_id.get(message_id) is submission:
                del self._by_id[message_id]
            if not submission.connection.ack(message_id):
                self._late[message_id] = submission.digest()

    def forget(self, message_id: int, submission: MqttSubmission) -> None:
        """Forget a message that the broker is to send again."""
        with self._lock:
            if self._by_id.get(message_id) is submission:
                del self._by_id[message_id]


def _digest(route: Route, payload: bytes) -> int:
    return hash((route.topic, payload))
