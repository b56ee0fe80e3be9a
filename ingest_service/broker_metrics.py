"""What the bridge tells of its broker, the part of the metrics that only MQTT has."""

from __future__ import annotations

import math

from ingest_service.model import Terms
from service_kit.instruments import Instruments


class BrokerMetrics:
    """Observations of the connection to the broker in, metrics out, from any thread."""

    def __init__(self, instruments: Instruments) -> None:
        counter, gauge = instruments.counter, instruments.gauge
        self._dropped_acks = counter(
            "ingest_dropped_acks", "Acknowledgements of connections that had ended."
        )
        self._broker_up = gauge("broker_up", "Whether the bridge is connected and subscribed.")
        self._connections = counter("broker_connections", "Connections to the broker.")
        self._sessions_lost = counter(
            "broker_sessions_lost", "Reconnections after which the broker had lost the session."
        )
        self._sessions_kept = gauge(
            "broker_sessions_kept", "Whether the broker keeps the session of a client that leaves."
        )
        self._session_expiry = gauge(
            "broker_session_expiry_seconds", "How long the broker keeps a session; NaN: not told."
        )
        self._maximum_qos = gauge("broker_maximum_qos", "The broker's maximum QoS; NaN: not told.")
        self._maximum_packet = gauge(
            "broker_maximum_packet_bytes", "Longest packet the broker takes; NaN: not told."
        )
        self._receive_maximum = gauge(
            "broker_receive_maximum", "The broker's receive maximum; NaN: not told."
        )
        self._offers = gauge(
            "broker_offers", "Whether the broker offers it; NaN: not told.", "what"
        )
        self._broker_dropped = gauge(
            "broker_dropped_messages", "Messages that the broker says it dropped, for any client."
        )
        self._silent = gauge(
            "silent_detectors", "Detectors that are silent for longer than they ever were."
        )
        self.broker_terms(None)

    def silent_detectors(self, detectors: int) -> None:
        """Note how many detectors are silent."""
        self._silent.set(detectors)

    def acks_dropped(self, messages: int) -> None:
        """Note that acknowledgements came too late for their connection."""
        self._dropped_acks.inc(messages)

    def broker_up(self, *, up: bool) -> None:
        """Note whether the bridge is subscribed."""
        self._broker_up.set(up)

    def broker_connected(self) -> None:
        """Note that the broker accepted a connection."""
        self._connections.inc()

    def broker_terms(self, terms: Terms | None, session_expiry_s: int = 0) -> None:
        """Note the broker's answer to CONNECT; in MQTT 3.1.1 it tells nothing.

        `session_expiry_s` is what was asked for, which a broker that says nothing of it grants.
        """
        known = 1 if terms else math.nan
        terms = terms or Terms()
        expiry_s = session_expiry_s if terms.session_expiry_s is None else terms.session_expiry_s
        self._session_expiry.set(expiry_s * known)
        self._maximum_qos.set(terms.maximum_qos * known)
        self._maximum_packet.set(terms.maximum_packet_bytes * known)
        self._receive_maximum.set(terms.receive_maximum * known)
        self._offers.labels("shared_subscriptions").set(terms.shared_subscriptions * known)
        self._offers.labels("wildcard_subscriptions").set(terms.wildcard_subscriptions * known)
        self._offers.labels("retained_messages").set(terms.retained_messages * known)

    def session_lost(self) -> None:
        """Note that the broker had forgotten the session: messages may be gone."""
        self._sessions_lost.inc()

    def sessions_kept(self, *, kept: bool) -> None:
        """Note whether the broker keeps the session of a client that leaves."""
        self._sessions_kept.set(kept)

    def broker_dropped(self, messages: int) -> None:
        """Note how many messages the broker has dropped since it started."""
        self._broker_dropped.set(messages)
