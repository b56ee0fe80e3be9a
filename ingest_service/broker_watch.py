"""Whether the broker loses what it was given: what it says of sessions and of dropped messages.

Loud in the log and in the metrics; never decides anything for the bridge but when to ask again.
"""

from __future__ import annotations

import logging

from ingest_service.metrics import Metrics
from ingest_service.mqtt_client import Accepted, Connection
from ingest_service.mqtt_link import Message

log = logging.getLogger(__name__)

# Mosquitto publishes it. AWS IoT Core has no $SYS: a broker may even end the connection over it.
_DROPPED = "$SYS/broker/publish/messages/dropped"
_DROPPED_TOPIC = _DROPPED.encode()


class BrokerWatch:
    """What the broker said on the connections of this process so far."""

    def __init__(self, client_id: str, metrics: Metrics) -> None:
        self._client_id = client_id
        self._metrics = metrics
        self._asked_again = False
        self._served = False
        self._tells_drops = True
        self._dropped = 0

    def asks_again(self, accepted: Accepted) -> bool:
        """Whether to leave and come back before anything else, to see if a new session is kept."""
        if self._served or self._asked_again or accepted.session_present:
            return False
        self._asked_again = True
        log.warning(
            "the broker has no session of client %s: right at its very first start; later it says "
            "that messages which were sent meanwhile are gone",
            self._client_id,
        )
        return True

    def accepted(self, accepted: Accepted) -> None:
        """The broker accepted a connection that will be used."""
        if self._served and not accepted.session_present:
            self._metrics.session_lost()
            log.error("the broker has lost the session: messages sent meanwhile may be gone")
        elif not self._served:
            self._metrics.sessions_kept(kept=accepted.session_present)
            if not accepted.session_present:
                log.error(
                    "the broker keeps no sessions: messages that are sent while this service is "
                    "away will be lost"
                )
        self._served = True

    def subscribe(self, connection: Connection) -> None:
        """Ask to be told of dropped messages, unless the broker did not want that before.

        Raises:
            BrokerError: the broker ended the connection over it, or does not answer.
        """
        if self._tells_drops:
            self._tells_drops = False
            self._tells_drops = connection.watch(_DROPPED)
            if not self._tells_drops:
                log.info("the broker does not let this service read %s", _DROPPED)

    def took(self, message: Message) -> bool:
        """Whether the message was the broker's own, about drops."""
        if message.topic != _DROPPED_TOPIC:
            return False
        if message.payload.isdigit():
            self._say_dropped(int(message.payload))
        return True

    def _say_dropped(self, dropped: int) -> None:
        if dropped > self._dropped:
            log.error(
                "the broker has dropped %d messages that it could not keep for a client: its "
                "queue is too short (max_queued_messages)",
                dropped - self._dropped,
            )
        self._dropped = dropped
        self._metrics.broker_dropped(dropped)
