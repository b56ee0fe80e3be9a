"""Whether the broker loses what it was given: what it says of sessions, its limits and its drops.

Loud in the log and in the metrics; never decides anything for the bridge but when to ask again.
"""

from __future__ import annotations

import logging
import time

from event_store.errors import StoreError, StoreUnavailableError
from ingest_service.metrics import Metrics
from ingest_service.model import Terms
from ingest_service.mqtt.broker_terms import NO_RETAINED, shortfalls
from ingest_service.mqtt.connection import Accepted, Connection
from ingest_service.mqtt.link import Message
from ingest_service.mqtt.session_memory import SessionMemory
from service_kit.settings import Settings

log = logging.getLogger(__name__)

# Published by Mosquitto. AWS IoT Core has no $SYS and may end the connection over the subscription.
_DROPPED = "$SYS/broker/publish/messages/dropped"
_DROPPED_TOPIC = _DROPPED.encode()
# Wait this long before asking the database for the memory of sessions again.
_NOTE_AGAIN_S = 5.0


class BrokerWatch:
    """What the broker said on the connections of this process so far."""

    def __init__(self, settings: Settings, metrics: Metrics, memory: SessionMemory) -> None:
        self._settings = settings
        self._client_id = settings.mqtt_client_id
        self._metrics = metrics
        self._memory = memory
        self._told: list[str] = []
        # What is still to be written to the memory, and when to try again.
        self._unnoted: bool | None = None
        self._note_at = 0.0
        self._keeps = False
        self._found_at_start: bool | None = None
        self._asked_again = False
        self._served = False
        self._tells_drops = True
        self._dropped = 0

    def asks_again(self, accepted: Accepted) -> bool:
        """Return whether to leave and come back first, to see if a new session is kept."""
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
        """Note that the broker accepted a connection that will be used."""
        self._read(accepted.terms)
        if self._found_at_start is None:
            self._found_at_start = accepted.session_present and not self._asked_again
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
        # Once kept, always kept: a session that was lost now starts again and is kept too.
        self._keeps |= accepted.session_present
        self._unnoted = self._keeps
        self._served = True

    def settle(self) -> None:
        """Tell the memory of sessions; it knows whether one was lost while the service was away."""
        if self._unnoted is None or time.monotonic() < self._note_at:
            return
        try:
            known = self._memory.note(kept=self._unnoted)
        except (StoreUnavailableError, StoreError) as error:
            log.debug("the session cannot be remembered yet: %s", error)
            self._note_at = time.monotonic() + _NOTE_AGAIN_S
            return
        self._unnoted = None
        if known is not None and self._found_at_start is False:
            self._metrics.session_lost()
            log.error(
                "the broker has lost the session of client %s, which it had at %s (then at %s): "
                "messages sent meanwhile may be gone",
                self._client_id,
                known.seen.isoformat(timespec="seconds"),
                known.broker,
            )
        # Say it once only: from now on this process sees for itself whether sessions are kept.
        self._found_at_start = True

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

    def _read(self, terms: Terms | None) -> None:
        """Say where the broker grants less than it was asked for; again only when that changes."""
        self._metrics.broker_terms(terms, self._settings.mqtt_session_expiry_s)
        found = [] if terms is None else shortfalls(terms, self._settings)
        for sentence in found:
            if sentence not in self._told:
                log.log(
                    logging.INFO if sentence == NO_RETAINED else logging.WARNING, "%s", sentence
                )
        self._told = found

    def took(self, message: Message) -> bool:
        """Return whether the message was the broker's own, about drops."""
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
