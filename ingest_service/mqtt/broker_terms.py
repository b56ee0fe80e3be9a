"""What a broker grants in its answer to CONNECT, beside what this service asked for. Pure."""

from __future__ import annotations

from paho.mqtt.properties import Properties

from ingest_service.model import Terms
from service_kit.settings import MESSAGE_BYTES_MAX, Settings

# No loss: the brokers of `deploy/` and of `eventindex up` are meant to offer none.
NO_RETAINED = (
    "the broker offers no retained messages (available: 0, not 1): it disconnects senders that ask "
    "for them"
)


def read_terms(properties: Properties) -> Terms:
    """Return what the broker said."""
    told_nothing = Terms()

    def value(name: str, default: int) -> int:
        return int(getattr(properties, name, default))

    expiry = getattr(properties, "SessionExpiryInterval", None)
    return Terms(
        session_expiry_s=None if expiry is None else int(expiry),
        maximum_qos=value("MaximumQoS", 2),
        maximum_packet_bytes=value("MaximumPacketSize", told_nothing.maximum_packet_bytes),
        receive_maximum=value("ReceiveMaximum", told_nothing.receive_maximum),
        shared_subscriptions=bool(value("SharedSubscriptionAvailable", 1)),
        wildcard_subscriptions=bool(value("WildcardSubscriptionAvailable", 1)),
        retained_messages=bool(value("RetainAvailable", 1)),
    )


def shortfalls(terms: Terms, settings: Settings) -> list[str]:
    """Return where the broker grants less than is wanted: a sentence each, with both values."""
    found = []
    asked_s = settings.mqtt_session_expiry_s
    if terms.session_expiry_s is not None and terms.session_expiry_s < asked_s:
        found.append(
            f"the broker keeps the session of a client that is away for {terms.session_expiry_s} "
            f"s, not for the {asked_s} s of EVENTINDEX_MQTT_SESSION_EXPIRY_S: what is sent after "
            "that is lost"
        )
    if terms.maximum_qos < 1:
        found.append(
            f"the broker's maximum QoS is {terms.maximum_qos}, not 1: messages can be lost"
        )
    if terms.maximum_packet_bytes < MESSAGE_BYTES_MAX:
        found.append(
            f"the broker takes packets of at most {terms.maximum_packet_bytes} bytes, and messages "
            f"here may have {MESSAGE_BYTES_MAX}: it refuses larger ones"
        )
    window = min(settings.mqtt_receive_maximum, settings.queue_messages_max)
    if terms.receive_maximum < window:
        found.append(
            f"the broker's receive maximum is {terms.receive_maximum}, that of this service "
            f"{window} (EVENTINDEX_MQTT_RECEIVE_MAXIMUM): where the broker has one window for "
            "both directions it delivers in steps of its own"
        )
    return found + _missing(terms, settings)


def _missing(terms: Terms, settings: Settings) -> list[str]:
    found = []
    if settings.mqtt_share_group and not terms.shared_subscriptions:
        found.append(
            "the broker offers no shared subscriptions (available: 0, not 1), and "
            f"EVENTINDEX_MQTT_SHARE_GROUP={settings.mqtt_share_group!r} needs them"
        )
    if not terms.wildcard_subscriptions:
        found.append(
            "the broker offers no wildcard subscriptions (available: 0, not 1), and this service "
            "needs them"
        )
    if not terms.retained_messages:
        found.append(NO_RETAINED)
    return found
