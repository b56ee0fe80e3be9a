"""The settings of rest_gateway alone; `service_kit.settings` reads and checks them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from service_kit.hosts import parse_hosts, parse_networks

HTTP_HANDSHAKE_S_MAX = 10.0
HTTP_HEAD_BYTES_MAX = 64 * 1024
HTTP_HEAD_S_MAX = 10.0
HTTP_HEADERS_MAX = 128
HTTP_BODY_BYTES_MAX = 64 * 1024
HTTP_BODY_SILENCE_S_MAX = 30.0
HTTP_BODY_BYTES_PER_S_MIN = 1024
HTTP_UNREAD_S_MAX = 60.0
HTTP_CONNECTIONS_PER_ADDRESS_MAX = 64
HTTP_HEAVY_CALLS_MAX = 4


class GatewaySettings(BaseSettings):
    """Requests, jobs, and how the gateway reaches the other services."""

    http_requests_at_once_max: int = Field(
        64,
        ge=1,
        le=1000,
        description="Requests to the REST API that rest_gateway serves at once; one more is "
        "refused with 503. Pages, their files and event streams do not count.",
    )
    http_followers_max: int = Field(
        256,
        ge=1,
        le=10_000,
        description="Event streams that rest_gateway has open at once, one for each page that "
        "follows what comes in or a job; one more is refused with 503.",
    )
    http_requests_per_address_max: int = Field(
        16,
        ge=1,
        le=1000,
        description="Requests of one address that rest_gateway serves at once, and as many event "
        "streams; one more is refused with 429. The addresses of a /64 network of IPv6 are one.",
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

    oidc_client_id: str = Field(
        "",
        max_length=1_000,
        description="Client id of the web page at the first of EVENTINDEX_JWT_ISSUERS, a public "
        "client: readers sign in there, by authorization code with PKCE, with the redirect URI "
        "https://<this gateway>/sign-in. Empty: the page asks for a token alone.",
    )
    oidc_scopes: str = Field(
        "openid eventindex.lookup eventindex.ingest eventindex.admin",
        min_length=1,
        max_length=10_000,
        description="Scopes that the page asks the provider for, separated by spaces; openid among "
        "them. With offline_access it renews the token without a frame.",
    )

    token: SecretStr = Field(
        SecretStr(""),
        description="Access token with which rest_gateway looks up for its jobs and asks whether "
        "the index answers. The command line and the Python client read the variable too.",
    )
    token_file: Path | None = Field(
        None,
        description="File that holds that token, where EVENTINDEX_TOKEN is empty; read again "
        "when it changes.",
    )

    @field_validator("token_file", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        # Compose and scripts set a variable that they have no value for to an empty text.
        return value or None

    @field_validator("http_hosts")
    @classmethod
    def _hosts(cls, text: str) -> str:
        parse_hosts(text)
        return text

    @field_validator("http_proxies")
    @classmethod
    def _proxies(cls, text: str) -> str:
        parse_networks(text)
        return text

    @property
    def our_hosts(self) -> tuple[str, ...]:
        """The names by which others reach the HTTP ports."""
        return parse_hosts(self.http_hosts)


GATEWAY_LIMITS = {
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
}
