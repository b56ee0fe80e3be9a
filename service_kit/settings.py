"""The settings of the services: `EVENTINDEX_*` environment variables or a `.env` file.

Read and validated once at start. `docs/settings.md` is generated from this module by
`python -m service_kit.settings_page`. Nothing else in the project reads the environment.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from event_store.database.connection import StoreOptions
from eventindex.hosts import is_loopback, split_address, split_mqtt_url
from eventindex.limits import (
    CHECKSUM_CHARACTERS_MAX,
    CRITERIA_MAX,
    MESSAGE_BYTES_MAX,
    NAME_BYTES_MAX,
    PAIRS_PER_MESSAGE_MAX,
    RUN_RANGES_MAX,
    STORAGE_SECONDS_MAX,
)
from service_kit.epochs import parse_epochs
from service_kit.file_urls import fields_of
from service_kit.hosts import parse_hosts, parse_networks
from service_kit.topic_prefixes import check_topic_prefixes

__all__ = [
    "COSMIC_RECORD_BYTES_MAX",
    "FILES_PER_REQUEST_MAX",
    "FIXED_LIMITS",
    "INGEST_BATCHES_IN_FLIGHT_MAX",
    "MESSAGE_BYTES_MAX",
    "PAIRS_PER_MESSAGE_MAX",
    "REFUSED_ELEMENTS_MAX",
    "Settings",
    "is_loopback",
    "split_address",
]

COSMIC_RECORD_BYTES_MAX = 64 * 1024
REFUSED_ELEMENTS_MAX = 1_000
INGEST_BATCHES_IN_FLIGHT_MAX = 4
DATABASE_CONNECT_TIMEOUT_S = 5
DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
FILES_PER_REQUEST_MAX = 10_000
CACHE_BYTES_MIN = 1024 * 1024
HTTP_HEAD_BYTES_MAX = 64 * 1024
HTTP_HEAD_S_MAX = 10.0
HTTP_HEADERS_MAX = 128
HTTP_BODY_BYTES_MAX = 64 * 1024
HTTP_BODY_SILENCE_S_MAX = 30.0
HTTP_BODY_BYTES_PER_S_MIN = 1024
HTTP_UNREAD_S_MAX = 60.0
HTTP_CONNECTIONS_PER_ADDRESS_MAX = 64
HTTP_HEAVY_CALLS_MAX = 4
INDEX_WORKERS_MAX = 256


class Settings(BaseSettings):
    """All settings. The descriptions are what the reference page prints."""

    model_config = SettingsConfigDict(
        env_prefix="EVENTINDEX_", env_file=".env", extra="ignore", validate_default=True
    )

    index_address: str = Field(
        "127.0.0.1:50051", description="gRPC address of index_service, host:port."
    )
    index_metrics_address: str = Field(
        "127.0.0.1:9101",
        description="HTTP address of index_service for /metrics, /healthz and /readyz.",
    )
    ingest_address: str = Field(
        "127.0.0.1:50052", description="gRPC address of ingest_service, host:port."
    )
    ingest_metrics_address: str = Field(
        "127.0.0.1:9102",
        description="HTTP address of ingest_service for /metrics, /healthz and /readyz.",
    )
    http_address: str = Field(
        "127.0.0.1:8080", description="HTTP address of rest_gateway, host:port."
    )
    http_metrics_address: str = Field(
        "127.0.0.1:9103",
        description="HTTP address of rest_gateway for /metrics, /healthz and /readyz.",
    )
    data_dir: Path = Field(
        Path(".eventindex"), description="Data of the embedded stack (`eventindex up`)."
    )

    database_url: str = Field(
        "",
        description="PostgreSQL URL. Several hosts, `target_session_attrs` and `options` are "
        "allowed; variables such as PGHOST or PGOPTIONS are not read. "
        "`eventindex up` uses its embedded server when this is empty.",
    )
    database_connections_max: int = Field(
        4,
        ge=1,
        le=100,
        description="Connections of index_service to PostgreSQL that queries use, for each worker. "
        "A worker has two more.",
    )
    database_stall_timeout_s: float = Field(
        25.0,
        gt=0,
        le=600,
        description="A database call without an answer for so many seconds is given up and its "
        "connection dropped.",
    )
    database_lock_timeout_ms: int = Field(
        10_000, ge=1, le=600_000, description="Longest wait of a writer for a run, milliseconds."
    )

    cache_bytes_max: int = Field(
        256 * 1024 * 1024,
        ge=CACHE_BYTES_MIN,
        description="Memory of the page cache of index_service, bytes, all workers together: each "
        "has an equal share.",
    )
    file_names_bytes_max: int = Field(
        32 * 1024 * 1024,
        ge=0,
        description="Memory of the names of files that each worker of index_service remembers, "
        "bytes.",
    )
    file_url: str = Field(
        "",
        max_length=1024,
        description="How the address of a file is made, such as root://host//store/{name}: with "
        "{name} as it was noted, {fuid}, {dataset} (its name), {collection} (raw) and {run}. One "
        "of which one of them is not known has none. Empty: no addresses.",
    )
    index_workers: int = Field(
        0,
        ge=0,
        le=INDEX_WORKERS_MAX,
        description="Processes of index_service that share its port, each with a page cache and "
        "connections of its own. 0: one for each core that the service may use; on systems other "
        "than Linux 1.",
    )
    lookups_at_once_max: int = Field(
        1024,
        ge=1,
        le=100_000,
        description="Calls and streams that each worker of index_service serves at once; one more "
        "is refused with RESOURCE_EXHAUSTED.",
    )

    http_requests_at_once_max: int = Field(
        64,
        ge=1,
        le=1000,
        description="Requests to the REST API that rest_gateway serves at once; one more is "
        "refused with 503. Pages and their files do not count.",
    )
    http_requests_per_address_max: int = Field(
        16,
        ge=1,
        le=1000,
        description="Requests of one address that rest_gateway serves at once; one more is refused "
        "with 429. The addresses of a /64 network of IPv6 are one.",
    )
    http_hosts: str = Field(
        "",
        max_length=10_000,
        description="Names by which others reach rest_gateway and the metrics ports, such as "
        "index.example.org,*.lab.example.org. A request with another `Host` is refused with 421. "
        "The names of loopback and the address that was reached are ours anyway.",
    )
    http_proxies: str = Field(
        "",
        max_length=10_000,
        description="Addresses or networks of reverse proxies, such as 10.0.0.7,10.1.0.0/16: the "
        "`X-Forwarded-For` that they send says whose a request is.",
    )
    http_lookup_bytes_max: int = Field(
        512 * 1024 * 1024,
        ge=1024,
        description="Size of the list of a lookup over HTTP, bytes, as it comes and without its "
        "compression; a longer one is refused with 413.",
    )
    http_lookup_pairs_max: int = Field(
        10_000_000,
        ge=1,
        description="Pairs of a lookup over HTTP; more are refused with 413. They wait in the "
        "directory for temporary files, 16 bytes each, until the list has come.",
    )
    http_job_bytes_max: int = Field(
        4 * 1024 * 1024 * 1024,
        ge=1024,
        description="Size of the list of a job, bytes, as it comes and without its compression; a "
        "longer one is refused with 413.",
    )
    http_job_pairs_max: int = Field(
        100_000_000, ge=1, description="Pairs of a job; more are refused with 413."
    )
    http_jobs_max: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Jobs that wait or run at once, over all gateways; one more is refused with "
        "503.",
    )
    http_job_lifetime_s: int = Field(
        7 * 86_400,
        ge=1,
        le=366 * 86_400,
        description="How long a job and its result are kept after its end, and a job that cannot "
        "end is, seconds.",
    )
    http_jobs_bytes_max: int = Field(
        20 * 1024 * 1024 * 1024,
        ge=1024 * 1024,
        description="What all jobs that are kept may take in the database, bytes: lists and "
        "answers. Beyond it a list is refused with 503, until jobs expire or are cancelled.",
    )
    http_jobs_per_subject_max: int = Field(
        25,
        ge=1,
        le=100_000,
        description="Jobs of one subject that wait or run at once; one more is refused with 429. "
        "Where nobody is asked for a token there is no such limit.",
    )
    http_database_connections_max: int = Field(
        4, ge=1, le=100, description="Connections of rest_gateway to PostgreSQL, for its jobs."
    )
    http_services_tls_ca: Path | None = Field(
        None,
        description="CA certificates of the two services, PEM: rest_gateway then speaks TLS to "
        "them, with EVENTINDEX_TLS_CERT as its own certificate where that is set.",
    )

    token: SecretStr = Field(
        SecretStr(""),
        description="Access token with which rest_gateway looks up for its jobs and asks whether "
        "the index answers. The command line and the Python client read the variable too.",
    )
    token_file: Path | None = Field(
        None,
        description="File that holds that token, where EVENTINDEX_TOKEN is empty; read at start.",
    )

    mqtt_url: str = Field(
        "",
        description="Broker: mqtt://[user:password@]host[:port] or mqtts://… for TLS (port 8883 "
        "by default). Empty: no bridge. `eventindex up` uses its embedded broker when this is "
        "empty.",
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
        100_000, ge=1, le=1_000_000, description="Events that are committed together at most."
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

    tls_cert: Path | None = Field(None, description="Server certificate of the services, PEM.")
    tls_key: Path | None = Field(None, description="Key of the server certificate, PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Clients must hold a certificate of this CA, PEM."
    )
    allow_plaintext: bool = Field(
        False,
        description="Allow gRPC, HTTP and metrics without TLS on addresses other than loopback: "
        "for a container network that nobody else reaches.",
    )
    allow_anonymous: bool = Field(
        False,
        description="Let everybody who reaches a gRPC or HTTP address other than loopback do "
        "everything, without a token or a client certificate: for a network that nobody else "
        "reaches.",
    )
    require_tokens: bool = Field(
        False,
        description="Ask every call for a token, on loopback and beside client certificates "
        "too. Addresses that others reach ask for one anyway, unless EVENTINDEX_TLS_CLIENT_CA or "
        "EVENTINDEX_ALLOW_ANONYMOUS is set.",
    )
    token_cache_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How long a service remembers a token, seconds: a revoked one is refused "
        "after that at the latest.",
    )
    token_lifetime_max_s: int = Field(
        31_536_000,
        ge=1,
        le=3_153_600_000,
        description="Longest lifetime that a token may be made with, seconds.",
    )

    shutdown_grace_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="After SIGTERM: time for running calls and the last commit, seconds.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Log level."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log lines for people (text) or for a collector (json)."
    )

    @field_validator("token_file", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # Compose and scripts set a variable that they have no value for to an empty text.
        return value or None

    @model_validator(mode="after")
    def _check(self) -> Settings:
        for name in _ADDRESSES:
            split_address(getattr(self, name))
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("EVENTINDEX_TLS_CLIENT_CA needs EVENTINDEX_TLS_CERT")
        if self.allow_anonymous and self.require_tokens:
            raise ValueError(
                "EVENTINDEX_ALLOW_ANONYMOUS and EVENTINDEX_REQUIRE_TOKENS contradict each other"
            )
        if (self.mqtt_tls_cert is None) != (self.mqtt_tls_key is None):
            raise ValueError("EVENTINDEX_MQTT_TLS_CERT and EVENTINDEX_MQTT_TLS_KEY go together")
        if self.mqtt_share_group and self.mqtt_version == "3.1.1":
            raise ValueError("EVENTINDEX_MQTT_SHARE_GROUP needs MQTT 5, not 3.1.1")
        _named("EVENTINDEX_HTTP_HOSTS", parse_hosts, self.http_hosts)
        _named("EVENTINDEX_HTTP_PROXIES", parse_networks, self.http_proxies)
        parse_epochs(self.cosmic_epochs)
        fields_of(self.file_url)
        check_topic_prefixes(
            {
                f"EVENTINDEX_{name.upper()}": getattr(self, name)
                for name in type(self).model_fields
                if name.startswith("mqtt_topic_")
            }
        )
        _named("EVENTINDEX_MQTT_URL", split_mqtt_url, self.mqtt_url or "mqtt://127.0.0.1")
        if self.cache_bytes_max < CACHE_BYTES_MIN * self.index_workers:
            raise ValueError(
                f"EVENTINDEX_CACHE_BYTES_MAX={self.cache_bytes_max} leaves less than "
                f"{CACHE_BYTES_MIN} bytes for each of EVENTINDEX_INDEX_WORKERS={self.index_workers}"
            )
        return self

    @property
    def our_hosts(self) -> tuple[str, ...]:
        """The names by which others reach the HTTP ports."""
        return parse_hosts(self.http_hosts)

    @property
    def store_options(self) -> StoreOptions:
        """The limits of database connections."""
        return StoreOptions(
            connect_timeout_s=DATABASE_CONNECT_TIMEOUT_S,
            stall_timeout_s=self.database_stall_timeout_s,
            lock_timeout_ms=self.database_lock_timeout_ms,
            idle_in_transaction_timeout_ms=DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS,
        )

    @property
    def index_workers_in_use(self) -> int:
        """How many workers index_service has: as set, or by the cores and what the cache allows."""
        if self.index_workers or sys.platform != "linux":
            return self.index_workers or 1
        cores = len(os.sched_getaffinity(0))
        return min(cores, INDEX_WORKERS_MAX, self.cache_bytes_max // CACHE_BYTES_MIN)


def _named(variable: str, parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None


_ADDRESSES = (
    "index_address",
    "index_metrics_address",
    "ingest_address",
    "ingest_metrics_address",
    "http_address",
    "http_metrics_address",
)

FIXED_LIMITS = {
    "Head of a request over HTTP": (
        f"{HTTP_HEAD_BYTES_MAX:,} bytes, {HTTP_HEADERS_MAX} headers, {HTTP_HEAD_S_MAX:g} s"
    ),
    "Body of a request over HTTP that is no list": f"{HTTP_BODY_BYTES_MAX:,} bytes",
    "Body of a request over HTTP, once it is waited for": (
        f"{HTTP_BODY_SILENCE_S_MAX:g} s without a byte; "
        f"{HTTP_BODY_BYTES_PER_S_MIN:,} bytes a second on average"
    ),
    "Answer over HTTP that nobody reads is cut after": f"{HTTP_UNREAD_S_MAX:g} s",
    "Counts, overlaps and gaps over HTTP that one caller has at once": f"{HTTP_HEAVY_CALLS_MAX}",
    "Connections of one address to rest_gateway": f"{HTTP_CONNECTIONS_PER_ADDRESS_MAX}",
    "Pairs or events in a message": f"{PAIRS_PER_MESSAGE_MAX:,}",
    "Size of a message, both ways": f"{MESSAGE_BYTES_MAX:,} bytes",
    "Size of a telescope's record": f"{COSMIC_RECORD_BYTES_MAX:,} bytes",
    "Refused elements of a message over MQTT with a dead letter each; of a message with more the "
    "whole is one": f"{REFUSED_ELEMENTS_MAX:,}",
    "Batches of one Ingest stream that wait for their acknowledgement": (
        f"{INGEST_BATCHES_IN_FLIGHT_MAX}"
    ),
    "Longest wait for a connection to PostgreSQL": f"{DATABASE_CONNECT_TIMEOUT_S} s",
    "PostgreSQL ends a writer that holds a run and is silent for": (
        f"{DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS:,} ms"
    ),
    "Files that are noted by one call of AdminService": f"{FILES_PER_REQUEST_MAX:,}",
    "Name of a file, in UTF-8": f"{NAME_BYTES_MAX:,} bytes",
    "Checksum of a file": f"{CHECKSUM_CHARACTERS_MAX} characters",
    "Criteria of a ROOT file, the bits of a mask": f"{CRITERIA_MAX}",
    "Ranges of runs in a selection": f"{RUN_RANGES_MAX:,}",
    "Answer of a storage with ROOT files, where `--storage-timeout` does not say otherwise": (
        f"{STORAGE_SECONDS_MAX:g} seconds"
    ),
}
