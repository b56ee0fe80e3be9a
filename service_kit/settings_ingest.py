"""The settings of ingest_service alone; `service_kit.settings` reads and checks them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from eventindex.limits import MESSAGE_BYTES_MAX


class IngestSettings(BaseSettings):
    """The broker, its topics, and how events are stored."""

    mqtt_url: SecretStr = Field(
        SecretStr(""),
        description="Broker: mqtt://[user:password@]host[:port] or mqtts://… for TLS (port 8883 "
        "by default). Empty: no bridge. `eventindex up` uses its embedded broker when this is "
        "empty.",
    )
    mqtt_url_file: Path | None = Field(
        None, description="File that holds that URL, where EVENTINDEX_MQTT_URL is empty."
    )
    mqtt_version: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="Protocol: 5, 3.1.1, or auto (5, then 3.1.1 where it is refused)."
    )
    mqtt_client_id: str = Field(
        "eventindex-ingest",
        min_length=1,
        max_length=128,
        description="Client id. The broker keeps the session under it: it must stay the same "
        "over restarts and differ between instances.",
    )
    mqtt_share_group: str = Field(
        "",
        pattern=r"^[^/+#\x00-\x1f\x7f]*$",
        max_length=128,
        description="Instances with the same group share the messages between them (MQTT 5 shared "
        "subscriptions). Empty: this instance gets every message.",
    )
    mqtt_session_expiry_s: int = Field(
        604_800,
        ge=1,
        le=4_294_967_294,
        description="How long the broker keeps the session while the service is away, seconds "
        "(MQTT 5).",
    )
    mqtt_receive_maximum: int = Field(
        1000,
        ge=1,
        le=65_535,
        description="Messages that the broker may send ahead of their acknowledgement (MQTT 5). "
        "AWS IoT Core allows 100.",
    )
    mqtt_keepalive_s: int = Field(30, ge=5, le=1200, description="Keep-alive interval, seconds.")
    mqtt_reconnect_max_s: float = Field(
        30.0, ge=1, le=3600, description="Longest wait between two attempts to connect, seconds."
    )
    mqtt_tls_ca: Path | None = Field(
        None, description="CA certificates of the broker, PEM (default: the system's)."
    )
    mqtt_tls_cert: Path | None = Field(None, description="Client certificate, PEM.")
    mqtt_tls_key: Path | None = Field(None, description="Key of the client certificate, PEM.")
    mqtt_alpn: str = Field(
        "",
        description="ALPN protocol name; AWS IoT Core on port 443 needs x-amzn-mqtt-ca.",
    )
    mqtt_topic_batch: str = Field(
        "eventindex/v1/batch",
        max_length=1_000,
        description="Topic prefix of EventBatch messages: <prefix>/<source>. Levels between "
        "slashes, none of them empty, without +, # and $; the prefixes differ, and none lies "
        "one level below that of telescope events.",
    )
    mqtt_topic_json: str = Field(
        "eventindex/v1/json",
        max_length=1_000,
        description="Topic prefix of JSON events: <prefix>/<source>.",
    )
    mqtt_topic_cosmic: str = Field(
        "cosmic",
        max_length=1_000,
        description="Topic prefix of telescope events: <prefix>/<detector_id>/event.",
    )
    cosmic_epoch: datetime.date = Field(
        datetime.date(2000, 1, 1),
        description="The day (UTC) from which a telescope's Timestamp counts seconds.",
    )
    cosmic_epochs: str = Field(
        "",
        max_length=1_000_000,
        description="Detectors that count from another day: <detector>=<day>,…, such as "
        "7=1970-01-01,roof-2=2000-01-01. MicroPython counts from 1970 on some ports.",
    )

    batch_events_max: int = Field(
        200_000, ge=1, le=1_000_000, description="Events that are committed together at most."
    )
    batch_age_max_ms: int = Field(
        50,
        ge=1,
        le=60_000,
        description="Longest wait of an event for others to be committed with, milliseconds.",
    )
    queue_messages_max: int = Field(
        65_535,
        ge=1,
        le=1_000_000,
        description="Messages and batches that wait to be stored. Beyond it gRPC callers wait, and "
        "the bridge reads no more messages until half are stored.",
    )
    queue_bytes_max: int = Field(
        256 * 1024 * 1024,
        ge=MESSAGE_BYTES_MAX,
        description="Bytes of the messages and batches that wait to be stored; as above.",
    )
    dead_letters_bytes_max: int = Field(
        10 * 1024 * 1024 * 1024,
        ge=0,
        description="What the dead letters may take, bytes: texts, payload and 128 bytes each. "
        "Beyond it the oldest stay; new ones are counted, logged and gone, and /readyz says so.",
    )
    detector_silence_min_s: float = Field(
        60.0,
        gt=0,
        le=30 * 86_400,
        description="A detector is silent when it sends nothing for longer than ever before, and "
        "for at least so long, seconds.",
    )
    wrong_topic_letters_max: int = Field(
        1_000,
        ge=0,
        description="Messages on wrong topics, below the same prefixes, that are kept as dead "
        "letters in an hour; more are counted alone. 0: they are not subscribed to, for a broker "
        "on which others use the prefixes.",
    )
    collections_max: int = Field(
        10_000,
        ge=1,
        description="Collections that may be made, 'raw' and those of telescopes included.",
    )
    retry_max_s: float = Field(
        5.0,
        gt=0,
        le=600,
        description="Longest wait between two attempts to store a batch while PostgreSQL is "
        "away, seconds.",
    )

    @field_validator("mqtt_url_file", mode="before")
    @classmethod
    def _no_file(cls, value: object) -> object:
        # Compose and scripts set a variable that they have no value for to an empty text.
        return value or None
